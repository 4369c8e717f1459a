"""What is loaded, what is left out, what begins anew; and what does not fit is told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reslab import build
from reslab.config.nets import Described
from reslab.config.resolve import resolve
from reslab.config.start import Start
from reslab.config.trees import merge
from reslab.config.zoo import describe
from reslab.data.modules import data_module
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.weights.normalized import start_normalization
from reslab.weights.sources import read_origin
from reslab.weights.starting import Loaded, load_start, put

RESNET = describe("resnet8_w8")
HEAD = {"fc.weight", "fc.bias"}


def net_of(described: Described, **changes: Any) -> tuple[Described, nn.Module]:
    changed = described.model_copy(update=changes)
    return changed, build(changed)


def started(described: Described, net: nn.Module, tensors: Any, **start: Any) -> Loaded:
    return put(net, described, tensors, Start(name="akamaster:resnet20", **start))


def same(net: nn.Module, tensors: dict[str, Tensor], names: Any) -> bool:
    state = net.state_dict()
    return all(torch.equal(state[name], tensors[name]) for name in names)


@pytest.fixture
def others() -> dict[str, Tensor]:
    """A net's tensors, running statistics included."""
    net = build(RESNET)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)  # type: ignore[arg-type]
    return net.state_dict()


def test_a_kept_head_is_loaded_with_all_else(others: dict[str, Tensor]) -> None:
    net = build(RESNET)
    loaded = started(RESNET, net, others, head="kept")
    assert same(net, others, others)
    assert set(loaded.loaded) == others.keys()
    assert not loaded.new and not loaded.left_out and not loaded.summed


@pytest.mark.parametrize("classes", [10, 3])
def test_a_new_head_is_as_the_net_has_drawn_it(others: dict[str, Tensor], classes: int) -> None:
    described, net = net_of(RESNET, classes=classes)
    drawn = {name: net.state_dict()[name].clone() for name in HEAD}
    loaded = started(described, net, others, head="new")
    assert same(net, drawn, HEAD) and same(net, others, others.keys() - HEAD)
    assert set(loaded.new) == set(loaded.left_out) == HEAD


def test_a_head_of_zeros_is_zero(others: dict[str, Tensor]) -> None:
    described, net = net_of(RESNET, classes=3)
    loaded = started(described, net, others, head="zeros")
    assert all(not net.state_dict()[name].any() for name in HEAD)
    assert any("zeros: fc.bias, fc.weight" in line for line in loaded.lines())


def test_a_kept_head_of_other_classes_is_refused(others: dict[str, Tensor]) -> None:
    described, net = net_of(RESNET, classes=3)
    with pytest.raises(UserError, match=r"head: kept, but .* 10 classes, the net's for 3; write"):
        started(described, net, others, head="kept")


def test_a_trunk_leaves_what_else_the_file_has(others: dict[str, Tensor]) -> None:
    net = build(RESNET)
    more = others | {"projector.0.weight": torch.ones(4, 4)}
    with pytest.raises(UserError, match=r"unexpected keys: projector\.0\.weight"):
        started(RESNET, net, more)
    loaded = started(RESNET, net, more, loads="trunk")
    assert set(loaded.left_out) == {"projector.0.weight", *HEAD}
    assert same(net, others, others.keys() - HEAD)


def test_a_stem_for_colour_becomes_one_for_grey_with_equal_answers() -> None:
    """An image whose three channels are equal has, by linearity, the logits of the grey one."""
    colour, theirs = net_of(RESNET, in_channels=3)
    grey, ours = net_of(RESNET, in_channels=1)
    loaded = started(grey, ours.double(), theirs.double().state_dict(), head="kept")
    assert loaded.summed == ("conv1.weight",)
    image = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    logits = theirs.eval()(image.expand(-1, 3, -1, -1))
    assert (ours.eval()(image) - logits).abs().max() < 1e-12
    with pytest.raises(UserError, match=r"other shapes: conv1\.weight is 8×1×3×3, the net's 8×3"):
        started(colour, theirs, ours.state_dict())


def test_what_does_not_fit_is_listed_with_what_does(others: dict[str, Tensor]) -> None:
    wrong = describe("resnet20")
    with pytest.raises(UserError, match=r"missing keys: .*\n.*other shapes(.|\n)*"):
        started(wrong, build(wrong), others)
    b = describe("resnet20").model_copy(update={"shortcut": "B"})
    net = describe("resnet20").model_copy(update={"classes": 3})
    with pytest.raises(UserError, match=r"unexpected keys: (.|\n)*what fits: model\.shortcut=B$"):
        started(net, build(net), build(b).state_dict())
    with pytest.raises(UserError, match=r"what fits: model=resnet56$"):
        started(net, build(net), build("resnet56").state_dict())


def test_weights_that_are_not_finite_are_refused(others: dict[str, Tensor]) -> None:
    net = build(RESNET)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    others["conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(UserError, match=r"not finite .*: 1 of .* in conv1\.weight"):
        started(RESNET, net, others)
    assert same(net, before, before)


def test_old_files_without_counts_of_batches_are_loaded_whole(others: dict[str, Tensor]) -> None:
    old = {k: v for k, v in others.items() if not k.endswith("num_batches_tracked")}
    loaded = started(RESNET, build(RESNET), old, head="kept")
    assert not loaded.new


@pytest.mark.parametrize("name", ["timm:tf_efficientnet_lite0", "torchvision:mobilenet_v2"])
def test_a_net_of_another_library_has_its_own_head(name: str) -> None:
    theirs = describe(name)
    ours, net = net_of(theirs, classes=3)
    tensors = build(theirs).state_dict()
    loaded = started(ours, net, tensors)
    assert len(loaded.new) == 2 and set(loaded.new) == set(loaded.left_out)
    assert same(net, tensors, set(loaded.loaded))


# Real weights


def run(shared_data: Path, model: str, file: str, **changes: Any) -> Any:
    tree = {"model": model, "data": "cifar10", "recipe": "he2015_cifar"}
    start = {"file": str(shared_data / "weights" / file), **changes.pop("start", {})}
    return resolve(
        merge(tree, {"start": start, "recipe.normalization": "start", **changes}), "a run"
    )


@pytest.mark.process
def test_akamasters_resnet20_makes_its_827_errors_at_step_0(
    require_data: Any, shared_data: Path, tmp_path: Path
) -> None:
    """8.27 %: its README's own number, on CIFAR-10's 10,000 test images."""
    require_data("cifar10")
    config = run(shared_data, "resnet20", "resnet20-12fca82f.th", start={"head": "kept"})
    net, source = build(config.model), read_origin(config.start, tmp_path)
    loaded = load_start(net, config, *source)
    assert len(loaded.loaded) == 97 and not loaded.new
    data = data_module(config, start_normalization(config, *source))
    data.setup()
    with torch.no_grad():
        net.eval()
        wrong = sum(int((net(x).argmax(1) != y).sum()) for x, y in data.evaluation(data.test))
    assert wrong == 827


def test_akamasters_resnet56_is_told_where_resnet20_was_said(
    shared_data: Path, tmp_path: Path
) -> None:
    config = run(shared_data, "resnet20", "resnet56-4bfd9763.th")
    with pytest.raises(UserError, match=r"what fits: model=resnet56$"):
        load_start(build(config.model), config, *read_origin(config.start, tmp_path))


def test_akamasters_resnet56_is_cut_down_to_li_2017s_a(shared_data: Path, tmp_path: Path) -> None:
    """Of its 27 units four stay whole."""
    start = {"head": "kept", "loads": "l1"}
    config = run(shared_data, "resnet56_pruned_a", "resnet56-4bfd9763.th", start=start)
    net = build(config.model)
    loaded = load_start(net, config, *read_origin(config.start, tmp_path))
    assert len(loaded.pruned) == 23 and not loaded.new and not loaded.left_out
    assert sum(parameter.numel() for parameter in net.parameters()) == 773_336


def test_efficientnet_lite0_is_loaded_under_timms_names(shared_data: Path, tmp_path: Path) -> None:
    config = run(
        shared_data,
        "timm:tf_efficientnet_lite0",
        "tf_efficientnet_lite0.safetensors",
        data="imagenette_mini",
        recipe="imagenette",
    )
    source = read_origin(config.start, tmp_path)
    loaded = load_start(build(config.model), config, *source)
    assert set(loaded.new) == {"classifier.weight", "classifier.bias"}
    told = Normalization.given([0.5] * 3, [0.5] * 3)  # timm's of this net
    assert torch.equal(start_normalization(config, *source).mean, told.mean)
