"""Golden costs without torch; what is not golden is counted by one process."""

import subprocess
import sys

import pytest

from reslab.config import ZOO, describe
from reslab.config.complexities import Complexity, costs, count, golden, known
from reslab.errors import UserError


def test_a_golden_row_is_found_by_description_and_size() -> None:
    assert known(describe("resnet20"), 32) == Complexity(269_722, 40_551_040)
    assert known(describe("resnet20"), 28) is None
    assert known(describe("resnet20").model_copy(update={"classes": 100}), 32) is None


def test_a_description_is_found_whatever_it_was_called() -> None:
    spelled_out = describe("plain20").model_copy(update={"shortcut": "A"})
    assert known(spelled_out, 32) == golden()["resnet20"]


def test_golden_nets_cost_nothing_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a process was started"))
    nets = [(entry.description, entry.image_size) for entry in ZOO.values()]
    assert list(costs(nets).values()) == list(golden().values())


@pytest.mark.process
def test_other_nets_are_counted_in_one_process() -> None:
    """90 classes more: 64 weights and a bias each."""
    golden_net = (describe("resnet20"), 32)
    other = (describe("resnet20").model_copy(update={"classes": 100}), 32)
    found = costs([other, golden_net, other])
    assert found[golden_net] == Complexity(269_722, 40_551_040)
    assert found[other] == Complexity(269_722 + 90 * 65, 40_551_040 + 90 * 64)


@pytest.mark.process
def test_a_net_that_a_library_does_not_have_is_refused_with_its_nearest() -> None:
    with pytest.raises(UserError, match="torchvision has no net 'resnet51'; did you mean resnet"):
        count([(describe("torchvision:resnet51"), 32)])


def test_a_failing_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"reslab\.counting failed"):
        count([(describe("resnet20"), 32)])


def test_looking_up_imports_no_torch() -> None:
    code = (
        "import sys; from reslab.report.models import rows; assert rows();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
