"""An experiment's dashboard in Weights & Biases: a saved workspace and a report, built from code.

Both show the runs of one plan, a variant's seeds together (W&B's job type is the variant): test and
training error against the step, their mean and standard deviation over seeds; the final test error
as bars; what the runs' descriptions differ in; parameters and multiply-adds. The names of metrics
are those that training logs. wandb-workspaces is the extra `dashboard`, imported when one is built.
"""

import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import disk, store
from reslab.errors import UserError
from reslab.mirror import account
from reslab.store.plan import Plan
from reslab.text import printable

if TYPE_CHECKING:
    from wandb_workspaces.expr import And
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

DASHBOARD = "dashboard.json"
STEP = "trainer/global_step"
CURVES = {"Test error": "test_top1_error", "Training error": "train_top1_error"}
FINAL = "final.test.top1_error"
COLUMNS = [
    "run:displayName",
    "run:jobType",
    "config:seed.value",
    "config:params.value",
    "config:multiply_adds.value",
    "summary:final.train.top1_error",
    f"summary:{FINAL}",
]
"""The table of runs; columns are told as `section:name`."""


@dataclass(frozen=True)
class Dashboard:
    """A workspace and a report, in W&B or not yet."""

    workspace: "Workspace"
    report: "Report"

    def specification(self) -> dict[str, Any]:
        """What W&B would be sent, as plain values."""
        models = {"workspace": self.workspace._to_model(), "report": self.report._to_model()}
        return {
            name: model.model_dump(mode="json", by_alias=True, exclude_none=True)
            for name, model in models.items()
        }

    def send(self, saved: dict[str, str]) -> dict[str, str]:
        """Save both in W&B, in place of those with the ids in `saved`, if it has any; their ids.

        The report comes first: it makes a missing project.
        """
        self.report.id = saved.get("report", "")
        self.workspace._internal_id = saved.get("workspace", "")
        self.workspace._internal_name = saved.get("workspace_name", "")
        self.report.save()
        self.workspace.save()
        return {
            "report": self.report.id,
            "workspace": self.workspace._internal_id,
            "workspace_name": self.workspace._internal_name,
        }

    def addresses(self) -> list[str]:
        """Where both are, once they are saved."""
        return [self.workspace.url, self.report.url]


def build(plan: Plan, question: str, table: str, project: str, entity: str = "") -> Dashboard:
    """The dashboard of a plan, with its table in Markdown. Nothing is sent.

    `entity` is whose project it is; empty where that is not known.
    """
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError(
            "a dashboard needs wandb-workspaces: pip install 'wandb-workspaces>=0.4.13,<0.5'"
        ) from None
    where = {"project": project, "entity": entity}
    return Dashboard(_workspace(plan, table, where), _report(plan, table, question, where))


def publish(plan: Plan, question: str, table: str) -> list[str]:
    """Save a plan's workspace and report in W&B, or write down what would be sent; what to say.

    What was saved before is renewed. `UserError` if the server does not take it.
    """
    folder = plan.home
    folder.mkdir(parents=True, exist_ok=True)
    mode, entity = os.environ.get("WANDB_MODE"), os.environ.get("WANDB_ENTITY") or ""
    offline = f"WANDB_MODE is {mode}" if mode in ("offline", "disabled") else account.why_offline()
    if not offline:
        return _save(plan, question, table, entity)
    board = build(plan, question, table, account.project(), entity)
    disk.write_json(folder / DASHBOARD, {**board.specification(), "saved": _saved(folder)})
    return [
        f"{folder / DASHBOARD}: what W&B would be sent",
        f"not sent, since {offline}; where that is mended: make dashboard NAME={plan.name}",
    ]


def _save(plan: Plan, question: str, table: str, entity: str) -> list[str]:
    """Save workspace and report, in place of those that were saved before; their addresses."""
    folder = plan.home
    saved = _saved(folder)
    try:
        entity = entity or account.default_entity()
        board = build(plan, question, table, account.project(), entity)
        where = f"{account.base_url()}/{entity}/{account.project()}"
        saved[where] = board.send(saved.get(where, {}))
        addresses = board.addresses()
    except UserError:
        raise
    except Exception as error:  # whatever wandb or the server finds wrong
        hint = f"\n       without {folder / DASHBOARD} new ones are made" if saved else ""
        raise UserError(f"W&B has not saved the dashboard: {error}{hint}") from error
    disk.write_json(folder / DASHBOARD, {**board.specification(), "saved": saved})
    return addresses


def _saved(folder: Path) -> dict[str, dict[str, str]]:
    """For each project, by its address, the ids of what was saved there before."""
    return dict((disk.read_json(folder / DASHBOARD) or {}).get("saved", {}))


def _spelled(name: str) -> str:
    """A plan's name without signs that a workspace's may not have: `quickstart@budget 0.02`."""
    return name.replace("=", " ").replace("+", ", ")


def _workspace(plan: Plan, table: str, where: dict[str, str]) -> "Workspace":
    from wandb_workspaces import expr, workspaces
    from wandb_workspaces.reports import v2

    return workspaces.Workspace(
        name=_spelled(plan.name),
        sections=[
            _section("Errors", _panels(plan), columns=2),
            _section("Beside the published numbers", [v2.MarkdownPanel(markdown=table)], columns=1),
        ],
        settings=workspaces.WorkspaceSettings(x_axis=STEP, max_runs=len(plan.folders())),
        runset_settings=workspaces.RunsetSettings(
            filters=_filters(plan),
            groupby=[expr.Metric("JobType")],
            pinned_columns=list(COLUMNS),
        ),
        **where,
    )


def _report(plan: Plan, table: str, question: str, where: dict[str, str]) -> "Report":
    from wandb_workspaces.reports import v2

    runs = v2.Runset(
        name=plan.name,
        filters=_filters(plan),
        groupby=["JobType"],
        pinned_columns=list(COLUMNS),
        column_order=list(COLUMNS),
        lock_columns=True,
    )
    return v2.Report(
        title=textwrap.shorten(printable(plan.title), 128),
        description=question,
        blocks=[
            v2.P(text=question),
            v2.MarkdownBlock(text=table),
            v2.PanelGrid(runsets=[runs], panels=_panels(plan)),
        ],
        width="fluid",
        **where,
    )


def _section(name: str, panels: list[Any], columns: int) -> Any:
    from wandb_workspaces import workspaces

    layout = workspaces.SectionLayoutSettings(columns=columns, rows=columns)
    return workspaces.Section(name=name, panels=panels, is_open=True, layout_settings=layout)


def _panels(plan: Plan) -> list[Any]:
    """Two curves, one chart of bars and the comparison of descriptions, two to a row."""
    from wandb_workspaces.reports import v2

    grouped: Any = {
        "groupby": "JobType",
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
        "max_runs_to_show": len(plan.folders()),
    }
    places = [v2.Layout(x=12 * (i % 2), y=8 * (i // 2), w=12, h=8) for i in range(4)]
    curves = [
        v2.LinePlot(
            title=title, x=STEP, y=[metric], title_x="step", title_y="%", layout=place, **grouped
        )
        for (title, metric), place in zip(CURVES.items(), places, strict=False)
    ]
    bars = v2.BarPlot(
        title="Final test error", metrics=[FINAL], title_x="%", layout=places[2], **grouped
    )
    return [*curves, bars, v2.RunComparer(diff_only="split", layout=places[3])]


def _filters(plan: Plan) -> "And":
    """The experiment's group, and of it the plan's runs alone: no means over several budgets."""
    from wandb_workspaces import expr

    found = map(store.read_tracking, plan.folders())
    ids = [tracking["id"] for tracking in found if tracking]
    group = expr.Metric("Group") == plan.experiment
    return expr.And(group, expr.Metric("ID").isin(ids)) if ids else expr.And(group)
