"""Golden costs without torch; what is not golden is counted by one process."""

import subprocess
import sys

import pytest

from reslab.config import ZOO, describe
from reslab.config.complexities import (
    COSTS_NOTHING,
    Complexity,
    Impossible,
    costs,
    count,
    golden,
    known,
)


def test_a_golden_row_is_found_by_description_and_size() -> None:
    assert known(describe("resnet20"), 32) == Complexity(269_722, 40_551_040)
    assert known(describe("resnet20"), 28) is None
    assert known(describe("resnet20").model_copy(update={"shortcut": "D"}), 32) is None


def test_a_description_is_found_whatever_it_was_called() -> None:
    spelled_out = describe("plain20").model_copy(update={"shortcut": "A"})
    assert known(spelled_out, 32) == golden()["resnet20"]


def test_golden_nets_cost_nothing_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a process was started"))
    nets = [(entry.description, entry.image_size) for entry in ZOO.values()]
    assert list(costs(nets).values()) == list(golden().values())


def test_of_other_nets_only_the_last_layer_is_counted_anew() -> None:
    """90 classes more: 64 weights and a bias each."""
    hundred = describe("resnet20").model_copy(update={"classes": 100})
    assert known(hundred, 32) == Complexity(269_722 + 90 * 65, 40_551_040 + 90 * 64)


def test_nothing_of_other_libraries_is_golden() -> None:
    assert known(describe("torchvision:resnet18"), 224) is None


FAMILIES = (
    "resnet20", "plain20", "preact_resnet20", "resnet18", "resnet50", "resnext29_32x4d", "wrn_16_4",
    "seresnet50", "resnet50d", "fixup_resnet50", "skipinit_wrn_16_4", "densenet_40_12",
    "densenet_bc_40_36", "densenet121", "xception",
)  # fmt: skip


@pytest.mark.process
def test_every_family_at_another_number_of_classes_costs_what_torch_counts() -> None:
    nets = [
        (describe(name).model_copy(update={"classes": 37}), ZOO[name].image_size)
        for name in FAMILIES
    ]
    assert [known(*net) for net in nets] == count(nets)


CHANGES = (
    ("resnet20", {"activation": "gelu", "init": "fan_in", "zeros": "after", "dropout": 0.5}),
    ("resnet20", {"survival": 0.5}),
    ("resnet20", {"shortcut": "scaled", "scale": (0.5, 0.5)}),
    ("resnet20", {"shortcut": "dropout", "shortcut_dropout": 0.3}),
    ("resnet20", {"shortcut": "none"}),
    ("resnet20", {"shortcut": "A_pooled"}),
    ("resnet20", {"zero_gamma": True}),
    ("skipinit_wrn_16_4", {"scale_init": 1.0}),
    ("wrn_16_4", {"projection_reads": "x"}),
    ("preact_resnet20", {"padding_reads": "order"}),
    ("fixup_resnet50", {"stem_init": "same"}),
    ("densenet_40_12", {"linear_init": "small", "gamma_init": "uniform"}),
    ("densenet_40_12", {"dropout": 0.2, "activation": "silu"}),
)


@pytest.mark.process
def test_what_is_said_to_cost_nothing_costs_what_torch_counts() -> None:
    nets = [
        (
            type(describe(name)).model_validate(describe(name).model_dump() | fields),
            ZOO[name].image_size,
        )
        for name, fields in CHANGES
    ]
    changed = {field for _, fields in CHANGES for field in fields} - {"shortcut"}
    assert (
        changed | {"gate", "gate_bias", "gate_init"} == COSTS_NOTHING
    )  # gates are no golden nets'
    assert [known(*net) for net in nets] == count(nets)


@pytest.mark.process
def test_other_nets_are_counted_in_one_process() -> None:
    """Option D has two projections more, 16 → 32 and 32 → 64 channels, each with a norm."""
    golden_net = (describe("resnet20"), 32)
    other = (describe("resnet20").model_copy(update={"shortcut": "D"}), 32)
    found = costs([other, golden_net, other])
    assert found[golden_net] == Complexity(269_722, 40_551_040)
    assert found[other] == Complexity(269_722 + 2752, 40_813_184)


@pytest.mark.process
def test_a_net_that_a_library_does_not_have_is_refused_with_its_nearest() -> None:
    good, unknown = (describe("resnet20"), 32), (describe("torchvision:resnet51"), 32)
    with pytest.raises(Impossible, match="torchvision has no net 'resnet51'; did you m") as caught:
        count([good, unknown])
    assert caught.value.net == unknown


def test_a_failing_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"reslab\.counting failed"):
        count([(describe("resnet20"), 32)])


@pytest.mark.process
def test_looking_up_imports_no_torch() -> None:
    code = (
        "import sys; from reslab.report.models import rows; assert rows();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
