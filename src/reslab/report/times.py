"""How long it took to reach a test error: a column beside the published times.

As DAWNBench reads it: the first evaluation on the whole test set with at most that error, and the
seconds of training until then. Which evaluation that is, the test set decides: a time is no error
of a chosen step, and no error is read from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from reslab.report.runs import Outcome
from reslab.report.text import number
from reslab.report.values import Cell, Note
from reslab.store.plan import Plan


@dataclass(frozen=True)
class ToTarget:
    """The times of a variant's runs to an error, in per cent."""

    target: float
    seconds: tuple[float, ...]
    """Of the runs that reached it."""
    ended: int
    """Runs that are done or diverged, or have reached it."""


def to_target(outcome: Outcome, target: float | None) -> ToTarget | None:
    """The times of a variant; None where its plan has no target."""
    if target is None:
        return None
    found = [seconds_to(run.metrics, run.times, target) for run in outcome.runs]
    pairs = zip(outcome.runs, found, strict=True)
    ended = sum(run.is_final or seconds is not None for run, seconds in pairs)
    return ToTarget(target, tuple(each for each in found if each is not None), ended)


def seconds_to(
    rows: list[dict[str, float]], times: Mapping[int, float], target: float
) -> float | None:
    """Seconds until the first evaluation with at most that error; None where there was none, and
    where nobody has counted."""
    reached = (row["step"] for row in rows if row.get("test_top1_error", 101.0) <= target)
    return times.get(int(next(reached, -1)))


def cell(found: ToTarget | None) -> Cell | None:
    """`3.21 ± 0.05`; of runs of which some did not get there, how many did, and no mean."""
    if found is None or not found.ended:
        return None
    if len(found.seconds) < found.ended:
        return Cell(None, f"{len(found.seconds)} of {found.ended} reached it")
    mean = fmean(found.seconds)
    spread = f"{stdev(found.seconds):.2f}" if len(found.seconds) > 1 else "–"
    return Cell(mean, f"{mean:.2f} ± {spread}")


def right(target: float) -> str:
    """`94 %` right, of 6 % wrong."""
    return f"{number(round(100 - target, 6))} %"


def target_notes(plan: Plan) -> Iterator[Note]:
    """How the column is to be read, and the published times."""
    if plan.target is None:
        return
    told = right(plan.target)
    yield Note(
        "caption",
        f"s to {told}: seconds of training, without start-up and evaluations, until the first "
        f"evaluation with {told} of the test images right, one view each.",
    )
    for whose, seconds in plan.times.items():
        yield Note("remark", f"published, {seconds:g} s: {whose}")
