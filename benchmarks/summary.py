"""What the training rows have found, as tables: from the JSON alone."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from reslab.disk import write_text
from reslab.errors import UserError
from reslab.text import markdown_table, size

Found = Mapping[str, Any]
"""A file of results; see `benchmarks.training`."""


class Target(NamedTuple):
    """What is to be reached on a CPU."""

    case: str | None
    """None: every net that is measured."""
    words: str
    rows: tuple[str, str]
    """Whose quotient is meant."""
    least: float


TARGETS = (
    Target(None, "reslab / bare, both eager", ("reslab", "bare"), 0.97),
    Target(None, "reslab / bare, both compiled", ("reslab, compiled", "bare, compiled"), 0.97),
    Target("resnet20", "reslab compiled / bare eager", ("reslab, compiled", "bare"), 1.08),
    Target("resnet20", "reslab compiled / usual", ("reslab, compiled", "usual"), 1.35),
)
LOADED = 80_000
"""CIFAR images a second that the loader is to give on one core."""
SPARE = 2**30
"""Bytes that a run may take beside its data and its model."""


def ratio(rows: Found, over: str, under: str) -> float | None:
    """The median over rounds of one row's rate over another's in the same round; None where a row
    is missing. `usual` is the fastest of the usual pipelines."""
    if under == "usual":
        under = max(
            (name for name in rows if name.startswith("usual") and "rates" in rows[name]),
            key=lambda name: median(rows[name]["rates"]),
            default=under,
        )
    if any("rates" not in rows.get(name, {}) for name in (over, under)):
        return None
    pairs = zip(rows[over]["rates"], rows[under]["rates"], strict=False)
    return median(one / other for one, other in pairs)


def with_evaluations(found: Found, case: str, row: str) -> float | None:
    """Images of training per second where a row evaluates as often as reslab's run does; None where
    its evaluation was not measured."""
    told = found["cases"][case]
    measured = told["rows"].get(row, {})
    if "evaluation_rate" not in measured:
        return None
    images = told["evaluated_every"] * told["batch_size"]
    seconds = images / median(measured["rates"])
    return images / (seconds + told["test_images"] / measured["evaluation_rate"])


def tables(found: Found) -> str:
    """All tables, each below its heading."""
    parts = [f"{_conditions(found)}\n"]
    for case in found["cases"]:
        parts += [f"{part}\n" for part in (_heading(found, case), _rows(found, case))]
        parts += [f"{line}\n" for line in (*_evaluating(found, case), *_profiles(found, case))]
    return "\n".join([*parts, _targets(found)])


def _conditions(found: Found) -> str:
    machine = found["machine"]
    where = f", {machine['gpu']}" if machine["gpu"] else ""
    return (
        f"{machine['processor']}, {machine['threads']} threads{where}, torch {machine['torch']}, "
        f"{found['precision']};\n{found['rounds']} rounds in which every row has its turn, "
        f"{found['seconds']:g} s a row; load before it {machine['load']:.1f}"
    )


def _heading(found: Found, case: str) -> str:
    told = found["cases"][case]
    pixels = f"{told['side']} × {told['side']}"
    return f"**{case}**: {told['data']}, {pixels}, batches of {told['batch_size']}"


def _rows(found: Found, case: str) -> str:
    """Rates, their range, and how they compare with the first row's."""
    rows = found["cases"][case]["rows"]
    first = next(iter(rows))
    last = "memory, GPU idle" if found["machine"]["gpu"] else "memory"
    head = ["", "images/s", "range", f"/ {first}", last]
    return markdown_table(
        head, [[name, *_cells(rows, name, first)] for name in rows], numeric=(1, 2, 3)
    )


def _evaluating(found: Found, case: str) -> Iterator[str]:
    """What an evaluation of the test split at every so many steps makes of the rates."""
    told = found["cases"][case]
    rates = {name: with_evaluations(found, case, name) for name in told["rows"]}
    said = [f"{name} {rate:,.0f}" for name, rate in rates.items() if rate is not None]
    if said:
        every = f"an evaluation every {told['evaluated_every']:,} steps"
        yield f"images/s with {every}:\n{'; '.join(said)}"


def _profiles(found: Found, case: str) -> Iterator[str]:
    """Where Python spends the time of a step, of rows that were profiled."""
    for name, row in found["cases"][case]["rows"].items():
        if "profile" in row:
            whole, functions = row["profile"]["step_ms"], row["profile"]["functions"]
            lines = [[each, f"{own:.3f}"] for each, own in functions.items()]
            head = [f"{case}, {name}: {whole:.2f} ms a step, profiled", "own ms"]
            yield markdown_table(head, lines, numeric=(1,))


def _cells(rows: Found, name: str, first: str) -> list[str]:
    row = rows[name]
    if "rates" not in row:
        return ["–", row.get("error", "not measured").splitlines()[0][:30], "–", "–"]
    rates = row["rates"]
    idle = "" if row.get("idle_share") is None else f", {row['idle_share']:.0%}"
    return [
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        _number(ratio(rows, name, first)),
        f"{size(row['memory'])}{idle}",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


class Judged(NamedTuple):
    """A target, what is to be reached and what was found, in words, and whether it is met; None
    where that was not measured."""

    words: str
    target: str
    found: str
    met: bool | None


def judged(found: Found) -> list[Judged]:
    """Every target of the nets that were measured."""
    nets = [case for case in found["cases"] if not case.startswith("loader")]
    return [
        *(_quotient(found, case, t) for t in TARGETS for case in nets if t.case in (None, case)),
        *(_loaded(case) for name, case in found["cases"].items() if name == "loader"),
        *(judge for net in nets for judge in _memory(net, found["cases"][net])),
    ]


def _quotient(found: Found, case: str, target: Target) -> Judged:
    was = ratio(found["cases"][case]["rows"], *target.rows)
    met = None if was is None else was >= target.least
    return Judged(f"{case}: {target.words}", f"≥ {target.least}", _number(was), met)


def _loaded(case: Found) -> Judged:
    words, target, rates = "loader: images/s on one core", f"≥ {LOADED:,}", _rates(case, "reslab")
    if rates is None:
        return Judged(words, target, "–", None)
    return Judged(words, target, f"{median(rates):,.0f}", median(rates) >= LOADED)


def _rates(case: Found, row: str) -> list[float] | None:
    rates: list[float] | None = case["rows"].get(row, {}).get("rates")
    return rates


def _memory(net: str, case: Found) -> Iterator[Judged]:
    most = case["data_bytes"] + case["model_bytes"] + SPARE
    for name in ("reslab", "reslab, compiled"):
        taken = case["rows"].get(name, {}).get("memory")
        if taken is not None:
            yield Judged(f"{net}: memory of {name}", f"≤ {size(most)}", size(taken), taken <= most)


VERDICTS = {True: "met", False: "not met", None: "not measured"}


def _targets(found: Found) -> str:
    lines = [[each.words, each.target, each.found, VERDICTS[each.met]] for each in judged(found)]
    return markdown_table(["on a CPU", "to reach", "found", ""], lines, numeric=(1, 2))


DOCUMENT = "a Markdown file with marks, where the tables are put"


def between_marks(document: Path, name: str, text: str) -> None:
    """Put a text between <!-- NAME:begin --> and <!-- NAME:end -->; `UserError` without these."""
    found = document.read_text(encoding="utf-8")
    marks = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
    renewed, places = re.subn(
        marks, lambda mark: f"{mark[1]}\n{text}\n\n{mark[2]}", found, flags=re.DOTALL
    )
    if places != 1:
        raise UserError(f"{document} needs one place <!-- {name}:begin --> … <!-- {name}:end -->")
    write_text(document, renewed)
