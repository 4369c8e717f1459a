"""Nets of an experiment as things to be used, side by side: error, size and time, in float32 and in
int8, all measured in one process and in the same rounds.

Of each variant it is the first run that is done. Its test error is measured again, so that all
errors are of this machine; times are compiled ones where something compiles here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reslab import disk, store
from reslab.errors import UserError
from reslab.inference import latency
from reslab.inference.latency import BASELINE, INT8, Times
from reslab.inference.light import Subject, heard, subject
from reslab.inference.quantize import Quantized, bytes_of, obstacle_to_int8, quantize
from reslab.report.runs import Outcome, Run, outcomes_of
from reslab.report.text import NOTHING, percent, si
from reslab.store.plan import Plan
from reslab.terminal import fitted_table
from reslab.text import markdown_table, size

FORMS = ("fp32", "int8")


@dataclass(frozen=True, eq=False)
class Measured:
    """A variant's net: error in per cent, bytes, and times by the size of the batch, of each form
    that there is of it."""

    outcome: Outcome
    run: str
    errors: Mapping[str, float]
    bytes: Mapping[str, int]
    times: Mapping[str, Mapping[int, Times]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "variant": self.outcome.label,
            "run": self.run,
            "params": self.outcome.variant.params,
            "multiply_adds": self.outcome.variant.multiply_adds,
            "test_top1_error": dict(self.errors),
            "bytes": dict(self.bytes),
            "milliseconds": {
                form: {str(batch): times.as_dict() for batch, times in of.items()}
                for form, of in self.times.items()
            },
        }


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The nets of a plan, what there is not of them, and what the times are of."""

    nets: Sequence[Measured]
    way: str
    """In which float32 was timed."""
    left_out: Mapping[str, str]
    """A variant, or one of its forms, and why."""

    def as_dict(self) -> dict[str, Any]:
        """For `light.json`."""
        return {
            **latency.measured_on(),
            "fp32 is": self.way,
            "nets": [net.as_dict() for net in self.nets],
            "left_out": dict(self.left_out),
            "compared": list(self._compared()),
        }

    def as_text(self, how: str = "") -> str:
        """A table, what may be said of it, and what is not in it; with `how` to see all columns it
        is no wider than a terminal."""
        head = [name for name, _ in COLUMNS]
        rows = [[of(net) for _, of in COLUMNS] for net in self.nets]
        cells = head, rows, range(1, len(head))
        table = fitted_table(*cells, LEAVE, how) if how else markdown_table(*cells)
        times = [each for net in self.nets for of in net.times.values() for each in of.values()]
        left = [f"left out: {what}: {why}" for what, why in self.left_out.items()]
        top = [*latency.told(times), f"fp32: {self.way}; errors in per cent, of one run each"]
        return "\n".join([*top, "", table, "", *self._compared(), *left])

    def _compared(self) -> Iterator[str]:
        """Each net beside the first one, in float32, and its int8 beside its float32."""
        first = self.nets[0]
        for net in self.nets[1:]:
            label = f"{net.outcome.label} beside {first.outcome.label}, fp32"
            yield from _ratios(label, net.times["fp32"], first.times["fp32"])
        for net in self.nets:
            if "int8" in net.times:
                label = f"{net.outcome.label}, int8 beside fp32"
                yield from _ratios(label, net.times["int8"], net.times["fp32"])


def _ratios(label: str, ours: Mapping[int, Times], theirs: Mapping[int, Times]) -> Iterator[str]:
    for batch in ours:
        yield f"{label}, batch {batch}: {ours[batch].beside(theirs[batch]).as_text()}"


def _error(form: str) -> Callable[[Measured], str]:
    return lambda net: percent(net.errors[form]) if form in net.errors else NOTHING


def _size(form: str) -> Callable[[Measured], str]:
    return lambda net: size(net.bytes[form]) if form in net.bytes else NOTHING


def _time(form: str, batch: int) -> Callable[[Measured], str]:
    return lambda net: net.times[form][batch].as_text() if form in net.times else NOTHING


COLUMNS: list[tuple[str, Callable[[Measured], str]]] = [
    ("variant", lambda net: net.outcome.label),
    ("params", lambda net: si(net.outcome.variant.params)),
    ("mult-adds", lambda net: si(net.outcome.variant.multiply_adds)),
    *((f"error, {form}", _error(form)) for form in FORMS),
    *((f"size, {form}", _size(form)) for form in FORMS),
    *((f"batch {n}, {form}", _time(form, n)) for n in latency.BATCHES for form in FORMS),
]
LEAVE = [name for name, _ in COLUMNS if not name.startswith(("variant", "error"))]
"""Columns that a narrow terminal goes without, the first first: times are the last of these."""


def side_by_side(plan: Plan) -> SideBySide:
    """Measure the nets of a plan, and keep what was found as light.md and light.json beside its
    table. `UserError` where no run is done."""
    runs, left_out = _runs(plan)
    no_int8 = obstacle_to_int8() or latency.obstacle(BASELINE)
    if no_int8:
        left_out["int8"] = no_int8
    subjects = {outcome.label: subject(run.folder) for outcome, run in runs}
    made = {} if no_int8 else {n: quantize(s.net, s.images) for n, s in subjects.items()}
    way = "fp32" if latency.obstacle(BASELINE) else BASELINE
    times, failed = _times(subjects, made, way)
    _refuse_untimed(failed, subjects)
    nets = [
        _measured(outcome, run, subjects[outcome.label], made.get(outcome.label), times)
        for outcome, run in runs
    ]
    found = SideBySide(nets, way, left_out | failed)
    when = {"code": store.code_version(), "time": store.timestamp()}
    disk.write_json(plan.home / "light.json", {**found.as_dict(), **when})
    disk.write_text(plan.home / "light.md", found.as_text() + "\n")
    return found


def _runs(plan: Plan) -> tuple[list[tuple[Outcome, Run]], dict[str, str]]:
    """Of each variant a run that is done, and those that have none."""
    found, left_out = [], {}
    for outcome in outcomes_of(plan):
        run = next((run for run in outcome.runs if run.state == "done"), None)
        if run:
            found.append((outcome, run))
        else:
            left_out[outcome.label] = "no run is done"
    if not found:
        raise UserError(f"no run of {plan.name} is done; make experiment trains them")
    return found, left_out


def _times(
    subjects: Mapping[str, Subject], made: Mapping[str, Quantized], way: str
) -> tuple[dict[str, dict[str, dict[int, Times]]], dict[str, str]]:
    """Of each net and form by the size of the batch: all forms of all nets in the same rounds."""
    makers = {}
    for label, of in subjects.items():
        makers[f"{label}, fp32"] = latency.maker(way, of.net, of.images)
        if label in made:
            makers[f"{label}, int8"] = latency.maker(INT8, made[label].graph, of.images)
    times, failed = latency.measured(makers)
    by_net = {
        label: {
            form: {batch: of[key] for batch, of in times.items()}
            for form in FORMS
            if (key := f"{label}, {form}") in makers and key not in failed
        }
        for label in subjects
    }
    return by_net, failed


def _refuse_untimed(failed: Mapping[str, str], subjects: Mapping[str, Subject]) -> None:
    for label in subjects:
        if why := failed.get(f"{label}, fp32"):
            raise UserError(f"{label} does not compile here: {why}")


def _measured(
    outcome: Outcome,
    run: Run,
    about: Subject,
    made: Quantized | None,
    times: Mapping[str, Mapping[str, Mapping[int, Times]]],
) -> Measured:
    nets = {"fp32": about.net, **({"int8": made.graph} if made else {})}
    return Measured(
        outcome,
        run.folder.name,
        {form: heard(net, about.data)[0].score.top1_error for form, net in nets.items()},
        {"fp32": bytes_of(about.net), **({"int8": made.bytes} if made else {})},
        times[outcome.label],
    )
