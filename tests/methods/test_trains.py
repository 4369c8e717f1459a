"""What is frozen stays as it begins, bit for bit; what trains is what the words say."""

import pytest
import torch
from tests.methods.adapted import adapted, adapter
from tests.small_runs import MakeRun, same, stopped_at, weights
from torch import Tensor, nn

from reslab import build, store
from reslab.config.resolve import read_run
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.materialise import materialise
from reslab.methods.trains import (
    evaluating,
    freeze,
    is_norm,
    parameters_by_word,
    trainable,
    what_trains,
)
from reslab.training.start import start

TIMM = "timm:test_efficientnet"
"""A small net with BatchNorms that are more than a norm."""


def trained(name: str, *words: str) -> set[str]:
    """The names of the parameters with gradients after `freeze`."""
    described = describe(name)
    net = build(described)
    freeze(net, described, tuple(words))
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def test_words_are_about_these_parameters() -> None:
    every = trained("resnet8_w8", "all")
    assert trained("resnet8_w8", "head") == {"fc.weight", "fc.bias"}
    assert trained("resnet8_w8", "stem") == {"conv1.weight", "bn1.weight", "bn1.bias"}
    layer2 = {name for name in every if name.startswith("layer2.")}
    assert trained("resnet8_w8", "head", "layer2") == layer2 | {"fc.weight", "fc.bias"}
    assert trained("resnet8_w8", "norms") == {name for name in every if ".bn" in f".{name}"}
    assert trained("resnet8_w8", "biases") == {name for name in every if name.endswith("bias")}


def test_words_of_a_timm_net_are_about_its_norms_with_activations_too() -> None:
    norms = trained(TIMM, "norms")
    assert norms and all("bn" in name for name in norms)
    assert trained(TIMM, "head") == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("name", ["lora", "series", "prompt"])
def test_what_an_adapter_adds_is_what_adapter_and_no_other_word_is_about(name: str) -> None:
    """Not even the norms of a series adapter are norms of the net."""
    described = describe("resnet20")
    net = adapted(build(described), adapter(name))
    added = {name for name, _ in net.named_parameters() if is_adapter_parameter(name)}
    words = ("adapter", "norms", "biases", "stem", "layer1", "layer2", "layer3", "head")
    about = parameters_by_word(net, described, words)
    assert about["adapter"] == added
    own = set().union(*(about[word] for word in words[3:]))
    assert own == {name for name, _ in net.named_parameters()} - added
    assert not (about["norms"] | about["biases"]) & added


@pytest.mark.parametrize(
    ("name", "word", "reason"),
    [
        (TIMM, "layer9", "the net has no 'layer9'; .*stem, layer1, layer2"),
        ("timm:test_vit", "adapter", "adapter: the net has none"),
        ("torchvision:squeezenet1_1", "norms", "norms: the net has none"),
    ],
)
def test_a_word_about_nothing_is_refused_when_the_net_is_built(
    name: str, word: str, reason: str
) -> None:
    with pytest.raises(UserError, match=f"trains: {reason}"):
        trained(name, word)


def test_what_an_architecture_keeps_from_training_is_not_trained_by_a_word() -> None:
    described = describe("resnet8_w8")
    net = build(described)
    net.get_parameter("fc.bias").requires_grad_(False)
    freeze(net, described, ("head",))
    assert trainable(net) == 32 * 10
    assert what_trains(net, ("head",)) == "trains head: 320 of 19,074 parameters"


def test_norms_are_known_by_their_name_and_by_what_they_hold() -> None:
    norms = [nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.GroupNorm(2, 4)]
    assert all(map(is_norm, [*norms, nn.LayerNorm(4), nn.RMSNorm(4)]))
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
    others = [nn.Conv2d(4, 4, 1), nn.LocalResponseNorm(4), nn.Sequential(nn.BatchNorm2d(4))]
    assert not any(map(is_norm, [*others, *spectral.modules()]))


def modes(name: str, *words: str) -> set[bool]:
    described = describe(name)
    net = build(described)
    freeze(net, described, tuple(words))
    return {module.training for module in net.modules() if is_norm(module)}


@pytest.mark.parametrize("name", ["resnet8_w8", TIMM])
def test_norms_of_which_scale_or_bias_trains_are_in_training_mode(name: str) -> None:
    for word in ("all", "norms", "biases"):
        assert modes(name, word) == {True}
    assert modes(name, "head") == {False}
    assert modes(name, "head", "layer2") == {True, False}


def test_a_norm_without_scale_and_bias_rests_unless_all_trains() -> None:
    described = describe("resnet8_w8")
    for words, mode in ((("all",), True), (("layer1",), False), (("norms",), False)):
        net = build(described)
        bare = nn.BatchNorm2d(8, affine=False)
        net.get_submodule("layer1.0").bn1 = bare
        freeze(net, described, words)
        assert bare.training is mode


def test_what_is_inside_a_resting_norm_keeps_its_mode() -> None:
    """timm's BatchNormAct2d holds what drops, too."""
    described = describe(TIMM)
    net = build(described)
    norm = next(m for m in net.modules() if is_norm(m))
    norm.drop = nn.Dropout()
    freeze(net, described, ("head",))
    assert (norm.training, norm.drop.training) == (False, True)


@pytest.mark.parametrize("name", ["resnet8_w8", "timm:test_resnet"])
def test_the_trunk_of_a_head_that_trains_has_no_graph(name: str) -> None:
    described = describe(name)
    net = build(described)
    freeze(net, described, ("head",))
    read: list[Tensor] = []
    net.get_submodule("fc").register_forward_pre_hook(lambda _, inputs: read.extend(inputs))
    logits = net(torch.rand(2, described.in_channels, 32, 32))
    assert read[0].grad_fn is None
    logits.sum().backward()
    assert {n for n, p in net.named_parameters() if p.grad is not None} == {"fc.weight", "fc.bias"}


WORDS = [("head",), ("norms",), ("biases",), ("stem",), ("layer2",), ("head", "layer3")]


@pytest.mark.process
@pytest.mark.parametrize("words", WORDS, ids="-".join)
@pytest.mark.parametrize("model", ["resnet8_w8", TIMM])
def test_what_does_not_train_equals_the_beginning_bit_for_bit(
    make_run: MakeRun, model: str, words: tuple[str, ...]
) -> None:
    """Weights, and running statistics but for those of norms that train, after evaluations too;
    all that trains has moved."""
    override = {"model": model, "trains": words, "recipe.optimizer.weight_decay": 0.01}
    config = make_run("a", {**override, "recipe.steps": 31})
    assert start(config) == 0
    description = read_run(config)
    net, after = materialise(description), weights(config)
    moving = {name for name, p in net.named_parameters() if p.requires_grad}
    training = {name for name, m in net.named_modules() if is_norm(m) and m.training}
    for name, before in net.state_dict().items():
        place, _, own = name.rpartition(".")
        moves = name in moving or (place in training and own.startswith(("running", "num_")))
        assert torch.equal(after[f"net.{name}"], before) is not moves, name
    result = store.read_result(config.parent)
    assert result is not None
    assert result["trainable"] == sum(net.get_parameter(name).numel() for name in moving)
    assert result["normalization_batch"] == (32 if training else None)


FROZEN = {"trains": ["layer3", "head"], "recipe.optimizer.layer_decay": 0.5}


@pytest.mark.process
def test_a_run_with_frozen_norms_resumes_bit_for_bit(make_run: MakeRun) -> None:
    whole, cut = make_run("whole", FROZEN), make_run("cut", FROZEN)
    assert start(whole) == 0
    with stopped_at(9):
        assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)


@pytest.mark.process
def test_frozen_norms_are_in_evaluation_mode_at_every_step(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an evaluation (step 38) and after a resume (step 9), too."""
    from reslab.training.classifier import Classifier

    seen: list[dict[str, bool]] = []
    loss = Classifier.loss

    def watched(self: Classifier, *batch: Tensor) -> tuple[Tensor, Tensor]:
        seen.append({n: m.training for n, m in self.net.named_modules() if is_norm(m)})
        return loss(self, *batch)

    monkeypatch.setattr(Classifier, "loss", watched)
    config = make_run("a", FROZEN)
    with stopped_at(9):
        assert start(config) == 1
    assert start(config) == 0
    assert len(seen) == 40
    assert all(mode is name.startswith("layer3") for modes in seen for name, mode in modes.items())


@pytest.mark.process
def test_of_a_run_that_starts_from_another_what_does_not_train_is_that_ones(
    make_run: MakeRun,
) -> None:
    """Its running statistics, too."""
    parent = make_run("parent", {"recipe.steps": 31})
    start(parent)
    child = make_run("child", {"start": str(parent.parent), "trains": ["layer3", "head"]})
    start(child)
    before, after = weights(parent), weights(child)
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {name for name in before if not name.startswith(("net.layer3.", "net.fc."))}


def test_an_evaluation_leaves_every_part_in_its_mode() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout())
    net[0].eval()
    with evaluating(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net.modules()] == [True, False, True]
