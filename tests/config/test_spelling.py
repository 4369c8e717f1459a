"""A unit is a word; the five orders are He et al. 2016 (arXiv 1603.05027), Fig. 4."""

import pytest

from reslab.config.nets import Order, ResNet
from reslab.config.spelling import word


def net(order: str = "original", **fields: object) -> ResNet:
    shape = {"units": (2,), "widths": (4,), "strides": (2,), "stem_width": 4}
    return ResNet.model_validate({**shape, "order": order, **fields})


@pytest.mark.parametrize(
    ("order", "fig_4"),
    [
        ("original", "c n a c n + a"),  # Fig. 4 (a): weight BN ReLU weight BN addition ReLU
        ("bn_after_addition", "c n a c + n a"),  # (b)
        ("relu_before_addition", "c n a c n a +"),  # (c)
        ("relu_only_preactivation", "a c n a c n +"),  # (d)
        ("full_preactivation", "n a c n a c +"),  # (e)
    ],
)
def test_the_orders_are_those_of_he_2016_fig_4(order: Order, fig_4: str) -> None:
    assert str(word(net(order), convolutions=2)) == fig_4


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dropout": 0.3}, "c n a d c n + a"),  # Zagoruyko 2016, Fig. 1 (d): between convolutions
        ({"dropout": 0.3, "order": "full_preactivation"}, "n a c n a d c +"),
        ({"se": 4}, "c n a c n e + a"),  # Hu 2018, Fig. 3
        ({"survival": 0.5}, "c n a c n p + a"),  # Huang 2016, Fig. 1
        ({"scaling": "rezero", "se": 4, "survival": 0.5}, "c n a c n e s p + a"),
        ({"scaling": "fixup", "norm": "none"}, "b c b a b c s b + a"),  # Zhang 2019, Fig. 1
        ({"order": "no_first_activation_last_norm"}, "n c n a c n +"),  # Han 2017, Fig. 6 (d)
        ({"branch": "single"}, "c n + a"),
        ({"kernels": (3, 1, 3)}, "c n a c n a c n + a"),
    ],
)
def test_further_letters_stand_where_their_papers_draw_them(
    fields: dict[str, object], expected: str
) -> None:
    described = net(**fields)
    assert str(word(described, described.convolutions(0))) == expected


def test_between_any_two_convolutions_stand_a_norm_and_an_activation() -> None:
    assert str(word(net("original"), 1)) == "c n + a"
    assert str(word(net("original"), 3)) == "c n a c n a c n + a"
    assert str(word(net("full_preactivation"), 3)) == "n a c n a c n a c +"
