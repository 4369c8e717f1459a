"""make light: the nets of a plan measured side by side, and what is not there of them told."""

import json
from functools import partial

import pytest

from reslab import commands, store
from reslab.errors import UserError
from reslab.experiments.plan import read_plan_file
from reslab.inference import latency
from reslab.inference.quantize import obstacle_to_int8
from reslab.inference.side_by_side import side_by_side
from reslab.store.plan import Options, Plan
from reslab.training.start import start

needs_int8 = pytest.mark.skipif(obstacle_to_int8() is not None, reason=str(obstacle_to_int8()))
WORDS = Options(seeds=1, budget=0.01, only="plain-8,residual-8,plain-20")


@pytest.fixture
def plan() -> Plan:
    """Two of three nets have trained for four steps."""
    plan = read_plan_file("quickstart", WORDS)
    store.write_plan(plan)
    for variant in plan.variants:
        if variant.label != "plain-20":
            assert start(plan.folder / variant.runs[0].name / store.CONFIG) == 0
    return plan


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "ROUNDS", 3)


@needs_int8
@pytest.mark.process
def test_every_net_has_errors_sizes_and_times_in_both_forms(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where something compiles, but nothing does: that takes minutes."""
    monkeypatch.setattr(latency, "why_nothing_compiles", lambda: None)
    monkeypatch.setitem(latency.WAYS, latency.BASELINE, partial)
    monkeypatch.setattr(latency, "compiled_int8", partial)
    assert commands.read("light", ["quickstart"], WORDS) == 0
    found = json.loads((plan.home / "light.json").read_text())
    text = capsys.readouterr().out
    assert (plan.home / "light.md").read_text() in text
    assert [net["variant"] for net in found["nets"]] == ["plain-8", "residual-8"]
    for net, variant in zip(found["nets"], (plan.variants[0], plan.variants[2]), strict=True):
        assert net["run"] == variant.runs[0].name
        assert (net["params"], net["multiply_adds"]) == (variant.params, variant.multiply_adds)
        result = store.read_result(plan.folder / net["run"])
        assert result and net["test_top1_error"]["fp32"] == result["test"]["top1_error"]
        assert net["test_top1_error"]["int8"] == pytest.approx(result["test"]["top1_error"], abs=5)
        assert net["bytes"]["int8"] < 0.4 * net["bytes"]["fp32"]
        for form in ("fp32", "int8"):
            assert [net["milliseconds"][form][n]["rounds"] for n in ("1", "128")] == [3, 3]
    assert found["left_out"] == {"plain-20": "no run is done"}
    assert "left out: plain-20: no run is done" in text
    assert "residual-8 beside plain-8, fp32, batch 1: " in text
    assert "plain-8, int8 beside fp32, batch 128: " in text


@pytest.mark.process
def test_where_nothing_compiles_there_is_no_int8_and_that_is_told(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "why_nothing_compiles", lambda: "there is no C++ compiler")
    found = side_by_side(plan)
    assert found.as_dict()["fp32 is"] == "fp32"
    assert [list(net.times) for net in found.nets] == [["fp32"], ["fp32"]]
    assert "int8 beside" not in found.as_text()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert "All columns: light.md" in found.as_text("light.md")
    assert "All columns" not in found.as_text(), "as it is kept"
    if obstacle_to_int8() is None:
        assert found.left_out["int8"] == "there is no C++ compiler"


def test_a_plan_of_which_nothing_is_done_is_refused() -> None:
    plan = read_plan_file("quickstart", WORDS)
    store.write_plan(plan)
    with pytest.raises(UserError, match=r"no run of quickstart@.* is done; make experiment"):
        side_by_side(plan)
