"""One record per run: what `runs.csv` holds beside the table, and what `reslab.results` gives."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from reslab.report.csv_text import to_csv
from reslab.report.machines import machine, versions
from reslab.report.runs import Outcome, Run, outcomes_of
from reslab.store import names
from reslab.store.plan import Plan
from reslab.store.plans import read_plan, read_plan_in


@dataclass(frozen=True)
class Result:
    """One run. Errors are in per cent and those of `result.json`: None where it is not done."""

    experiment: str
    plan: str
    variant: str
    seed: int
    options: str
    """Of the plan, as they are given to make: `BUDGET=0.02 SEEDS=1`."""
    state: str
    train_top1_error: float | None
    test_top1_error: float | None
    test_loss: float | None
    """Mean cross-entropy, in nats."""
    examples: int | None
    """Images that it was tested on."""
    wrong: int | None
    """Of these."""
    steps: int | None
    """Until it was done, or diverged."""
    seconds: float | None
    params: int
    trainable: int | None
    """Of the parameters those that train; None where no run has told it yet."""
    multiply_adds: int
    code: str | None
    device: str | None
    """Of the last start, as are the versions: `1 × cpu (x86_64)`."""
    versions: str | None
    """`python 3.12.3, torch 2.14.1, …`."""
    folder: str


def results(name: str | Path) -> list[Result]:
    """A record of each run in a plan, variant by variant.

    `name` is an experiment's or a plan's (`quickstart@budget=0.02`), or the path of an experiment's
    folder. `UserError` for one that was not run.
    """
    is_path = isinstance(name, Path) or "/" in name
    plan = read_plan_in(Path(name)) if is_path else read_plan(str(name))
    return results_of(plan, outcomes_of(plan))


def results_of(plan: Plan, outcomes: Iterable[Outcome]) -> list[Result]:
    """A record of each run of what became of a plan's variants."""
    return [_result(plan, outcome, run) for outcome in outcomes for run in outcome.runs]


def runs_csv(found: Sequence[Result]) -> str:
    """The records as CSV."""
    return to_csv([field.name for field in fields(Result)], map(astuple, found))


def _result(plan: Plan, outcome: Outcome, run: Run) -> Result:
    train, test = run.score("train") or {}, run.score("test") or {}
    result: dict[str, Any] = run.result or {}
    last = run.starts[-1] if run.starts else {}
    return Result(
        experiment=plan.experiment,
        plan=plan.name,
        variant=outcome.label,
        seed=run.seed,
        options=names.all_given(plan.options),
        state=run.state,
        train_top1_error=train.get("top1_error"),
        test_top1_error=test.get("top1_error"),
        test_loss=test.get("loss"),
        examples=test.get("examples"),
        wrong=test.get("wrong"),
        steps=result.get("step"),
        seconds=result.get("seconds"),
        params=outcome.variant.params,
        trainable=outcome.trainable,
        multiply_adds=outcome.variant.multiply_adds,
        code=result.get("code") or last.get("code"),
        device=machine(last) if last else None,
        versions=versions(last) or None,
        folder=str(run.folder),
    )
