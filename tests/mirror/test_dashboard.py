"""The dashboard's specification is one that W&B's own library reads back; it is saved, or kept for
later."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.configs.shipped import EXPERIMENTS, planned
from tests.report.conftest import TABLE6, Lab
from tests.wandb_server import call, wandb_server

from reslab import disk, store
from reslab.commands import dashboard
from reslab.errors import UserError
from reslab.experiments.file import question
from reslab.mirror.dashboard import COLUMNS, DASHBOARD, FINAL, STEP, build
from reslab.report.markdown import markdown
from reslab.report.table import tabulate

# wandb-workspaces 0.4.13 still writes pydantic's old validators.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Pydantic V1 style:DeprecationWarning:wandb_workspaces"
)


def read_back(specification: dict[str, Any]) -> tuple[Any, Any]:
    """The workspace and the report in a specification that has been a file."""
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.reports.v2.internal import ReportViewspec
    from wandb_workspaces.workspaces import Workspace
    from wandb_workspaces.workspaces.internal import View

    kept = json.loads(json.dumps(specification))
    return (
        Workspace._from_model(View.model_validate(kept["workspace"])),
        Report._from_model(ReportViewspec.model_validate(kept["report"])),
    )


def block(report: Any, kind: str) -> Any:
    """The report's only block of a kind."""
    [found] = [block for block in report.blocks if type(block).__name__ == kind]
    return found


def names(metrics: Any) -> list[str]:
    return [metric.name for metric in metrics]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_specification_of_a_shipped_experiment_is_read_back(name: str) -> None:
    plan = planned(name)
    asked = question(name)
    assert asked
    table = markdown(tabulate([plan]))
    board = build(plan, asked, table, "reslab", "somebody")
    workspace, report = read_back(board.specification())
    runs = len(plan.folders())
    assert (workspace.name, workspace.project, workspace.entity) == (name, "reslab", "somebody")
    assert workspace.settings.max_runs == runs
    assert workspace.runset_settings.pinned_columns == COLUMNS
    assert names(workspace.runset_settings.groupby) == ["JobType"]
    ours = f"""Metric("Group") == {name!r}"""
    assert workspace.runset_settings.filters == ours
    errors, beside = workspace.sections
    grid = block(report, "PanelGrid")
    for panels in (errors.panels, grid.panels):
        test, train, bars, comparer = panels
        assert [names(curve.y) for curve in (test, train)] == [
            ["test_top1_error"],
            ["train_top1_error"],
        ]
        for grouped in (test, train, bars):
            assert (grouped.groupby, grouped.groupby_aggfunc) == ("JobType", "mean")
            assert (grouped.groupby_rangefunc, grouped.max_runs_to_show) == ("stddev", runs)
        assert {curve.x.name for curve in (test, train)} == {STEP}
        assert names(bars.metrics) == [FINAL]
        assert comparer.diff_only == "split"
    [runset] = grid.runsets
    assert runset.pinned_columns == COLUMNS
    assert (runset.filters, runset.groupby) == (ours, ["run.JobType"])
    assert block(report, "P").text == asked
    for label in (variant.label for variant in plan.variants):
        assert f"| {label} " in block(report, "MarkdownBlock").text
    assert block(report, "MarkdownBlock").text == beside.panels[0].markdown


def test_only_the_last_plans_runs_are_shown(lab: Lab) -> None:
    """Runs of another budget have the same group; a mean over both would mean nothing."""
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2, (TABLE6, "ResNet 20"))
    lab.all_done(folders, 0.5, [8.0, 9.0])
    ids = [disk.read_json(folder / store.TRACKING)["id"] for folder in folders]
    table = markdown(tabulate([lab.plan()]))
    board = build(lab.plan(), "Why?", table, "reslab")
    workspace, report = read_back(board.specification())
    assert all(repr(run) in workspace.runset_settings.filters for run in ids)
    assert block(report, "PanelGrid").runsets[0].filters == workspace.runset_settings.filters
    assert "8.50 ± 0.71" in block(report, "MarkdownBlock").text


def test_offline_the_dashboard_is_written_down_and_how_to_send_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dashboard("quickstart") == 0
    file = tmp_path / "runs" / "quickstart" / DASHBOARD
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["workspace"]["displayName"] == "quickstart"
    said = capsys.readouterr().out
    assert f"{file}: what W&B would be sent" in said
    assert "WANDB_MODE is disabled" in said and "make dashboard NAME=quickstart" in said


def test_without_a_key_the_dashboard_is_written_down_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    assert dashboard("quickstart") == 0
    assert "not sent, since there is no key for https://" in capsys.readouterr().out


def test_a_dashboard_of_nothing_that_is_known_is_refused() -> None:
    with pytest.raises(UserError, match="has no 'quickstrat'; did you mean quickstart"):
        dashboard("quickstrat")


def test_a_server_that_finds_something_wrong_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse() -> str:
        raise ValueError("the key is not known here")

    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("reslab.mirror.account.why_offline", lambda: None)
    monkeypatch.setattr("reslab.mirror.account.default_entity", refuse)
    with pytest.raises(UserError, match=r"the dashboard: the key is not known here$"):
        dashboard("quickstart")
    assert not (tmp_path / "runs" / "quickstart" / DASHBOARD).exists()


@pytest.mark.process
def test_with_a_key_workspace_and_report_are_saved_renewed_and_their_addresses_said(
    repository: Path,
) -> None:
    with wandb_server() as server:
        first, second = (call(repository / "scripts" / "dashboard.py", server) for _ in range(2))
        report, workspace = server.views.values()
        assert first.stdout.count(f"{server.url}/somebody/reslab") == 2
        assert first.stdout == second.stdout
    assert report["description"].startswith("Does a plain net get worse with depth")
    assert (workspace["displayName"], workspace["projectName"]) == ("quickstart", "reslab")
