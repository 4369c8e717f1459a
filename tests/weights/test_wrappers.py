"""The state dict is found in what other code saves around it; of several it says so."""

from typing import Any

import pytest

from reslab.errors import UserError
from reslab.weights.wrappers import find_state_dict

NET = {f"{name}.weight": 1.0 for name in ("conv1", "bn1", "fc")}
OTHER = dict.fromkeys(NET, 2.0)


def found(held: Any, path: str | None = None) -> tuple[Any, str, tuple[str, ...]]:
    """Floats stand for tensors."""
    return tuple(find_state_dict(held, lambda value: isinstance(value, float), path))


@pytest.mark.parametrize(
    ("held", "path"),
    [
        (NET, ""),
        ({**NET, "epoch": 3, "optimizer": {"state": {0: {"momentum_buffer": 1.0}}}}, ""),
        ({"net": NET, "acc": 93, "epoch": 1}, "net"),
        ({"model_state_dict": NET, "optimizer_state_dict": {"state": {}}}, "model_state_dict"),
        ({"state_dict": NET, "best": 1.0}, "state_dict"),
        ({"a": {"b": NET}}, "a.b"),
        ({"ema": NET}, "ema"),
    ],
)
def test_the_one_dict_of_tensors_is_found_and_what_is_no_tensor_left_out(
    held: Any, path: str
) -> None:
    assert found(held) == (NET, path, ())


def test_averaged_weights_are_not_taken_for_those_that_were_trained() -> None:
    held = {"state_dict_ema": OTHER, "state_dict": NET}
    assert found(held) == (NET, "state_dict", ("state_dict_ema",))
    assert found(held, "state_dict_ema") == (OTHER, "state_dict_ema", ("state_dict",))


def test_two_nets_of_unknown_names_are_told_and_one_of_them_taken_by_name() -> None:
    held = {"student": NET, "teacher": OTHER}
    with pytest.raises(UserError, match="state dicts student, teacher; say which: --key NAME"):
        found(held)
    assert found(held, "teacher")[0] == OTHER
    with pytest.raises(UserError, match=r"no state dict 'taecher'; .*student, teacher"):
        found(held, "taecher")


def test_dicts_that_hold_themselves_end() -> None:
    held: dict[str, Any] = {}
    held |= {str(i): held for i in range(1000)}
    with pytest.raises(UserError, match=r"holds no state dict \(names and tensors\)"):
        found(held)


@pytest.mark.parametrize("held", [None, [1.0], 1.0, {}, {1: 1.0}, {"a": 1}])
def test_what_has_no_tensors_by_names_holds_no_state_dict(held: Any) -> None:
    with pytest.raises(UserError, match="holds no state dict"):
        found(held)
