"""What a table compares, judged together: its rows with published numbers, and with each other.

One line for each, as people read it; `report.verdict` has what the words mean.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from reslab.report.comparable import variants_obstacle
from reslab.report.intervals import ALPHA
from reslab.report.rows import Row
from reslab.report.text import listed
from reslab.report.values import Note, NoteKind, Table
from reslab.report.verdict import Evidence, Question, Verdict, against_published, between, verdicts
from reslab.store.plan import Plan

NO = "not comparable"

Seconds = Callable[[int], float | None]
"""What so many seeds take beyond those that a plan has; None where that is not known."""


def judge(plan: Plan, rows: Sequence[Row]) -> tuple[list[Row], list[Question]]:
    """The rows of a plan with their verdicts, and its questions, as far as runs are final."""
    by_label = {row.outcome.label: row for row in rows}
    published = {label: found for label, row in by_label.items() if (found := _published(row))}
    asked = {pair: found for pair in plan.asked if (found := _asked(plan, by_label, pair))}
    judged = verdicts([*published.values(), *asked.values()], plan.margin)
    own = dict(zip(published, judged, strict=False))
    others = judged[len(published) :]
    questions = [Question(*pair, verdict) for pair, verdict in zip(asked, others, strict=True)]
    first = {question.label: question for question in reversed(questions)}
    return [
        replace(row, verdict=own.get(label), question=first.get(label))
        for label, row in by_label.items()
    ], questions


def _published(row: Row) -> Evidence | None:
    if row.published is None:
        return None
    return against_published(row.beside_published, row.published, row.obstacle)


def _asked(plan: Plan, rows: Mapping[str, Row], pair: tuple[str, str]) -> Evidence | None:
    """None also for rows that nobody has asked about and that are tested on other images."""
    baseline, ours = (rows[label] for label in pair)
    obstacle = variants_obstacle(ours.outcome, baseline.outcome)
    if obstacle and plan.questions is None:
        return None
    diverged = ours.test.diverged + baseline.test.diverged
    return between(ours.test.errors, baseline.test.errors, diverged, obstacle)


# ---- told -------------------------------------------------------------------------------------


def judged_notes(plan: Plan, rows: Sequence[Row], questions: Sequence[Question]) -> Iterator[Note]:
    """How the verdicts are to be read, if any has an interval, and a line for each."""
    own = {row.outcome.label: row.verdict for row in rows if row.verdict}
    every = [*own.values(), *(question.verdict for question in questions)]
    if any(verdict.interval for verdict in every):
        yield Note("caption", _caption(plan, sum(verdict.p is not None for verdict in every)))
    runs = {row.outcome.label: len(row.outcome.runs) for row in rows}
    for label, verdict in own.items():
        if verdict.word != NO:
            yield _note("verdict", label, verdict, runs[label])
    yield from _not_comparable({label: v for label, v in own.items() if v.word == NO})
    for question in questions:
        who = f"{question.baseline} → {question.label}"
        planned = max(runs[question.baseline], runs[question.label])
        yield _note("question", who, question.verdict, planned)


def _note(kind: NoteKind, who: str, verdict: Verdict, planned: int) -> Note:
    """A verdict's line; with the seeds that it needs, if not as many are planned."""
    seeds = verdict.needs if verdict.needs and verdict.needs > planned else None
    return Note(kind, f"{who}: {_told(verdict)}", seeds=seeds, word=verdict.word)


def _not_comparable(own: Mapping[str, Verdict]) -> Iterator[Note]:
    """A line for each reason, and whose it is."""
    alike: dict[str, list[str]] = {}
    for label, verdict in own.items():
        alike.setdefault(str(verdict), []).append(label)
    for told, labels in alike.items():
        yield Note("verdict", f"{listed(labels)}: {told}", word=NO)


def _caption(plan: Plan, tested: int) -> str:
    """What is said once of all intervals and verdicts."""
    if plan.margin is None:
        margin = "Without a margin nothing agrees, and better or worse means not equal."
    else:
        margin = f"Margin: ± {plan.margin:g} points."
    corrected = f" after Holm's correction for all {tested} that have a p" if tested > 1 else ""
    asked = f" Better and worse also need p < {ALPHA:g}{corrected}." if tested else ""
    return f"Intervals of differences are plain 95 % (Student's t).{asked} {margin}"


def _told(verdict: Verdict) -> str:
    """`−6.1 points [−45, +33], n = 2, lower in 2 of 2 seeds: too few seeds (needs about 7)`."""
    evidence, interval = verdict.evidence, verdict.interval
    if evidence.difference is None:
        return str(verdict)
    ends = f" [{_points(interval.low)}, {_points(interval.high)}]" if interval else ""
    parts = [f"{_points(evidence.difference)} points{ends}", f"n = {evidence.n}"]
    if improvement := evidence.improvement:
        few = improvement.probability is None
        parts.append(f"lower in {improvement}" if few else f"P(lower) = {improvement}")
    return f"{', '.join(parts)}: {verdict}"


def _points(difference: float) -> str:
    """Signed, with two digits or two decimals: −45, −6.1, +0.23."""
    digits = 0 if abs(difference) >= 9.95 else 1 if abs(difference) >= 0.995 else 2
    return f"{round(difference, digits) + 0.0:+.{digits}f}".replace("-", "−")


def timed(table: Table, seconds: Seconds) -> Table:
    """The table with what the seeds that its questions need would take, where that is known."""
    once = cache(seconds)  # it reads what finished runs took
    return replace(table, notes=tuple(_timed(note, once) for note in table.notes))


def _timed(note: Note, seconds: Seconds) -> Note:
    took = None if note.seeds is None else seconds(note.seeds)
    if took is None:
        return note
    return replace(note, text=f"{note.text}; SEEDS={note.seeds} takes {_more(took)}")


def _more(seconds: float) -> str:
    """`5 more minutes`."""
    units = (("second", 1, 100), ("minute", 60, 100), ("hour", 3600, 48), ("day", 86_400, math.inf))
    unit, size = next((unit, size) for unit, size, limit in units if seconds < limit * size)
    count = max(1, round(seconds / size))
    return f"{count:,} more {unit}{'s' * (count > 1)}"
