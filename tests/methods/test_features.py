"""Outputs of stages: of ours partial results, of timm's what its own modules put out."""

import copy
from pathlib import Path

import pytest
import torch
from tests.methods.adapted import SHAPE, adapter
from tests.python_nets import net_file
from torch import Tensor, nn

from reslab.errors import UserError
from reslab.methods.adapters import adapt
from reslab.methods.features import outputs
from reslab.models.nets import build

OURS = ("resnet20", "preact_resnet20", "densenet_40_12", "resnet18", "xception")


def images(size: int = 32) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def net(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(name)


def seen(net: nn.Module, path: str, x: Tensor) -> Tensor:
    """What a module inside a net puts out on x."""
    found = list[Tensor]()
    hook = net.get_submodule(path).register_forward_hook(lambda *call: found.append(call[2]))
    with torch.no_grad():
        net(x)
    hook.remove()
    return found[-1]


@pytest.mark.parametrize("name", OURS)
def test_of_our_nets_they_are_what_their_children_put_out_and_the_logits_are_the_nets(
    name: str,
) -> None:
    made, size = net(name).eval(), 64
    x = images(size)
    stages, _, logits = outputs(made, x)
    assert next(iter(stages)) == "stem"
    for stage in [*stages][1:]:
        assert torch.equal(stages[stage], seen(made, stage, x)), stage
    assert torch.equal(logits, made(x))


def test_the_stem_is_all_before_the_first_stage_and_has_its_pooling() -> None:
    assert outputs(net("resnet18"), images(64)).stages["stem"].shape == (2, 64, 16, 16)


def test_features_are_what_the_last_layer_reads() -> None:
    made = net("preact_resnet20").eval()
    found = outputs(made, images())
    assert found.features.shape == (2, 64)
    assert torch.equal(made.get_submodule("fc")(found.features), found.logits)


@pytest.mark.parametrize(
    ("name", "modules", "stem", "last"),
    [
        ("timm:resnet18", [f"layer{i}" for i in range(1, 5)], "maxpool", "fc"),
        (
            "timm:tf_efficientnet_lite0",
            [f"blocks.{i}" for i in range(7)],
            "bn1",
            "classifier",
        ),
        # norm_pre and the head's norm stand behind the last stage
        ("timm:convnext_atto", [f"stages.{i}" for i in range(4)], "stem", "head.fc"),
    ],
)
def test_of_timms_nets_they_are_what_the_modules_of_its_groups_put_out(
    name: str, modules: list[str], stem: str, last: str
) -> None:
    made, x = net(name).eval(), images(64)
    found = outputs(made, x)
    expected = {"stem": stem, **{f"layer{i}": path for i, path in enumerate(modules, 1)}}
    assert list(found.stages) == list(expected)
    for stage, path in expected.items():
        assert torch.equal(found.stages[stage], seen(made, path, x)), stage
    assert torch.equal(found.logits, made(x))
    assert torch.equal(made.get_submodule(last)(found.features), found.logits)


@pytest.mark.parametrize("name", ["resnet20", "timm:resnet18"])
def test_a_net_is_followed_in_the_mode_that_it_is_in_and_keeps_it(name: str) -> None:
    made = net(name)
    made.train().get_submodule("bn1").eval()  # as one that does not train
    modes = [module.training for module in made.modules()]
    twin, x = copy.deepcopy(made), images(64)
    assert torch.equal(outputs(made, x).logits, twin(x))
    assert [module.training for module in made.modules()] == modes
    for name, buffer in twin.named_buffers():  # running statistics are its own
        assert torch.equal(made.get_buffer(name), buffer)
    assert torch.equal(outputs(made.eval(), x).logits, twin.eval()(x))


@pytest.mark.parametrize("name", ["resnet20", "timm:resnet18"])
@pytest.mark.parametrize("how", ["lora", "parallel", "series", "prompt"])
def test_adapters_are_in_them(name: str, how: str) -> None:
    made = adapt(net(name), adapter(how), SHAPE, 0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1, generator=torch.Generator().manual_seed(1))
    made.eval()
    assert torch.equal(outputs(made, images()).logits, made(images()))


def test_gradients_reach_the_net_itself() -> None:
    made = net("timm:resnet18")
    stages = outputs(made, images(64)).stages
    stages["layer2"].sum().backward()
    reached = {name.partition(".")[0] for name, p in made.named_parameters() if p.grad is not None}
    assert reached == {"conv1", "bn1", "layer1", "layer2"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("torchvision:resnet18", "ResNet: nobody says what its stages are"),
        ("timm:vit_tiny_patch16_224", "stem puts out no images"),
        ("timm:swin_tiny_patch4_window7_224", "puts out NHWC"),
    ],
)
def test_a_net_without_stages_of_images_is_refused(name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        outputs(net(name).eval(), images(224))


def test_so_is_a_net_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Net: nobody says what its stages are"):
        outputs(net(f"python:{net_file(tmp_path)}:Net"), images())
