"""One way from a description to a net: drawn from a run's seed, or with the weights of another."""

import pytest
import torch
from tests.methods.adapted import ADAPTERS
from tests.small_runs import SMALL, same

from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import merge
from reslab.config.use import Use
from reslab.errors import UserError
from reslab.methods.adapters import plain_name
from reslab.methods.materialise import materialise, restore
from reslab.models.nets import build


def described(**fields: object) -> RunConfig:
    return resolve(merge(merge(SMALL, {}), fields), "a test")


def fields(adapter: str) -> dict[str, object]:
    return {"name": adapter, **ADAPTERS[adapter]}


def test_a_runs_weights_are_drawn_from_its_seed_whatever_was_drawn_before() -> None:
    torch.manual_seed(5)
    first = materialise(described()).state_dict()
    assert same(materialise(described()).state_dict(), first)
    assert not same(materialise(described(seed=1)).state_dict(), first)


def test_float64_weights_are_those_that_are_drawn_in_float32() -> None:
    single, double = (
        materialise(described(precision=precision)).state_dict()
        for precision in ("32-true", "64-true")
    )
    assert {value.dtype for name, value in double.items() if "num_" not in name} == {torch.float64}
    assert all(torch.equal(double[name], single[name].to(double[name].dtype)) for name in single)


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_tensors_of_a_trained_net_are_the_nets_bit_for_bit(precision: str) -> None:
    """And their precision is the description's: thirds are not the same in float32."""
    use = Use.of_run(described(precision=precision))
    held = materialise(described(precision=precision, seed=3)).state_dict()
    held["fc.bias"] += 1 / 3
    assert same(restore(use, held).state_dict(), held)


def test_tensors_are_all_of_the_nets_and_none_more() -> None:
    held = build("resnet8_w8").state_dict()
    del held["conv1.weight"]
    with pytest.raises(UserError, match="do not fit the net"):
        restore(Use.of_run(described()), held)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_net_draws_the_same_weights_with_an_adapter_and_without(name: str) -> None:
    plain = materialise(described()).state_dict()
    net = materialise(described(adapter=fields(name)))
    found = {plain_name(key): value for key, value in net.state_dict().items()}
    for key, value in plain.items():
        kept = found[key] != 0 if name == "mask" else torch.ones_like(value, dtype=torch.bool)
        assert torch.equal(found[key][kept], value[kept]), key


def test_an_adapter_draws_from_the_seed() -> None:
    one, again, other = (materialise(described(adapter=fields("lora"), seed=s)) for s in (0, 0, 1))
    key = "conv1.parametrizations.weight.0.lora_A"
    assert same(one.state_dict(), again.state_dict())
    assert not torch.equal(one.get_parameter(key), other.get_parameter(key))
