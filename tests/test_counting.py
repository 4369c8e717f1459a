"""What cannot be counted is said in words, in one line."""

import pytest

from reslab.config import describe
from reslab.counting import answer, count, layers

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("name", "size", "fields", "reason"),
    [
        ("densenet121", 8, {}, "the net cannot take images of shape (3, 8, 8): Given"),
        ("torchvision:alexnet", 32, {}, "the net cannot take images of shape (3, 32, 32): Giv"),
        (
            "timm:vit_tiny_patch16_224",
            32,
            {},
            "the net cannot take images of shape (3, 32, 32): Inp",
        ),
        ("torchvision:resnet51", 32, {}, "torchvision has no net 'resnet51'; did you mean resnet"),
        (
            "resnet20",
            32,
            {"widths": (16, 32, 10**10)},
            "the net cannot be built for images of 32 × 32 pixels: ",
        ),
        (
            "resnet20",
            32,
            {"widths": (16, 32, 10**20)},
            "the net cannot be built for images of 32 × 32 pixels: ",
        ),
    ],
)
def test_a_net_that_is_impossible_is_answered_with_the_reason(
    name: str, size: int, fields: dict[str, object], reason: str
) -> None:
    description = describe(name).model_copy(update=fields)
    for ask in (count, layers):
        told = answer(ask, description, size)
        assert isinstance(told, str)
        assert told.startswith(reason)
        assert "\n" not in told


def test_a_net_that_is_possible_is_answered_with_its_costs() -> None:
    assert answer(count, describe("resnet20"), 32) == {
        "params": 269_722,
        "multiply_adds": 40_551_040,
    }
