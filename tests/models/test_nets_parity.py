"""Equal logits in float64 with other libraries' nets of the same weights."""

import re
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from reslab.weights.names import to_torchvision

pytestmark = pytest.mark.process

slow = pytest.mark.slow

Weights = dict[str, Tensor]
Randomised = Callable[[str], nn.Module]


def assert_equal(ours: nn.Module, theirs: nn.Module, weights: Weights, size: int) -> None:
    """All of `weights` fit, and logits differ by less than 1e-9 of the largest."""
    theirs.load_state_dict(weights, assign=True)
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        expected, found = theirs.eval()(images), ours(images)
    assert (found - expected).abs().max() < 1e-9 * expected.abs().max()


@pytest.mark.parametrize(
    "name",
    ["resnext50_32x4d", pytest.param("resnext101_32x8d", marks=slow),
     pytest.param("resnext101_64x4d", marks=slow), pytest.param("wide_resnet50_2", marks=slow),
     pytest.param("wide_resnet101_2", marks=slow), "densenet121",
     pytest.param("densenet161", marks=slow), pytest.param("densenet201", marks=slow)],
)  # fmt: skip
def test_logits_are_torchvisions(name: str, randomised: Randomised) -> None:
    ours = randomised(name)
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, weights=None)
    weights = to_torchvision(ours.state_dict())
    assert list(weights) == list(theirs.state_dict())
    assert_equal(ours, theirs, weights, 40)


def timms(name: str) -> nn.Module:
    import timm  # takes seconds

    with torch.device("meta"):
        return timm.create_model(name)


def renamed(weights: Weights, *patterns: tuple[str, str]) -> Weights:
    found = {}
    for key, value in weights.items():
        for pattern, replacement in patterns:
            key = re.sub(pattern, replacement, key)
        found[key] = value
    return found


DEEP_STEM = (
    (r"^conv1\.", "conv1.0."), (r"^bn1\.", "conv1.1."), (r"^conv2\.", "conv1.3."),
    (r"^bn2\.", "conv1.4."), (r"^conv3\.", "conv1.6."), (r"^bn3\.", "bn1."),
)  # fmt: skip
"""timm has the deep stem in one child."""


@pytest.mark.parametrize("name", ["resnet50d", pytest.param("resnet50c", marks=slow),
                                  pytest.param("resnet101d", marks=slow)])  # fmt: skip
@pytest.mark.parametrize("size", [40, 57])
def test_deep_stems_and_option_d_are_timms(name: str, size: int, randomised: Randomised) -> None:
    """Also where the average pooling meets an odd side."""
    ours = randomised(name)
    assert_equal(ours, timms(name), renamed(ours.state_dict(), *DEEP_STEM), size)


@pytest.mark.parametrize("name", ["seresnet50", pytest.param("seresnext50_32x4d", marks=slow)])
def test_squeeze_excitation_is_timms(name: str, randomised: Randomised) -> None:
    ours = randomised(name)
    assert_equal(ours, timms(name), renamed(ours.state_dict(), (r"\.se1\.", ".se.")), 40)


@pytest.mark.parametrize("depth", [50, pytest.param(101, marks=slow)])
def test_preactivated_bottlenecks_are_timms_where_scales_are_positive(
    depth: int, randomised: Randomised
) -> None:
    """timm's resnetv2 pools before the stem's norm, which is the first unit's there: equal, because
    max-pooling commutes with a rising function. Its projections read what ours read."""
    ours = randomised(f"preact_resnet{depth}")
    weights = renamed(
        ours.state_dict(),
        (r"^conv1\.", "stem.conv."),
        (r"^bn1\.", "stages.0.blocks.0.norm1."),
        (r"^layer(\d)\.", lambda m: f"stages.{int(m[1]) - 1}.blocks."),
        (r"\.bn(\d)\.", r".norm\1."),
        (r"downsample\.0\.", "downsample.conv."),
        (r"^closing_bn1\.", "norm."),
        (r"^fc\.", "head.fc."),
    )
    weights["head.fc.weight"] = weights["head.fc.weight"][:, :, None, None]
    assert_equal(ours, timms(f"resnetv2_{depth}"), weights, 40)


def test_timms_basic_preactivated_net_is_another(randomised: Randomised) -> None:
    """Its first unit's identity is the stem's raw output; He 2016 activates it first (appendix)."""
    ours = randomised("preact_resnet18")
    theirs = timms("resnetv2_18")
    assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in ours.parameters())
    assert not any("downsample" in key for key in theirs.stages[0].state_dict())


def xceptions_names(weights: Weights) -> Weights:
    """timm numbers 12 blocks through all stages and holds a branch's layers in one list, in which
    every convolution is two and is followed by its norm; its exit is conv3, conv4."""
    units = dict.fromkeys(key[:8] for key in weights if key.startswith("layer"))  # layer4.7
    numbers = {unit: i for i, unit in enumerate(units, start=1)}
    found = {}
    for key, value in weights.items():
        if match := re.match(r"(layer\d\.\d)\.(conv|bn)(\d)\.(.+)$", key):
            unit, kind, number, rest = match.groups()
            starts_with_relu = numbers[unit] > 1
            index = 3 * (int(number) - 1) + starts_with_relu + (kind == "bn")
            key = f"block{numbers[unit]}.rep.{index}.{rest}"
        key = re.sub(r"^(layer\d\.\d)\.", lambda m: f"block{numbers[m[1]]}.", key)
        key = key.replace("downsample.0.", "skip.").replace("downsample.1.", "skipbn.")
        key = re.sub(r"^closing_(conv|bn)(\d)", lambda m: f"{m[1]}{int(m[2]) + 2}", key)
        key = re.sub(r"(rep\.\d+|^conv[34])\.0\.weight", r"\1.conv1.weight", key)
        found[re.sub(r"(rep\.\d+|^conv[34])\.1\.weight", r"\1.pointwise.weight", key)] = value
    return found


def test_xception_is_timms(randomised: Randomised) -> None:
    """What differs: names, and nothing else."""
    ours = randomised("xception")
    assert_equal(ours, timms("legacy_xception"), xceptions_names(ours.state_dict()), 75)
