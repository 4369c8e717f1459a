"""`plan.json`: the last plan of an experiment."""

from typing import Any

from reslab.disk import read_json, write_json
from reslab.errors import UserError, nearest
from reslab.store import records
from reslab.store.folder import experiment_folder, runs_root

PLAN = "plan.json"


def write_plan(plan: dict[str, Any]) -> None:
    """Make `plan` the last plan of its experiment."""
    folder = experiment_folder(plan["experiment"])
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, plan)


def read_plan(experiment: str) -> dict[str, Any]:
    """The last plan of an experiment; `UserError` if it was never run, or is no plan."""
    file = experiment_folder(experiment) / PLAN
    anew = f"to write it anew: make experiment NAME={experiment}"
    plan: dict[str, Any] | None = read_json(file, records.PLAN, anew)
    if plan is None:
        known = [path.parent.name for path in runs_root().glob(f"*/{PLAN}")]
        near = nearest(experiment, known)
        raise UserError(
            f"{experiment!r} has not been run in {runs_root()}{near}\n"
            f"       to run it: make experiment NAME={experiment}"
        )
    return plan
