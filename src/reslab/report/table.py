"""The table of an experiment: one row per variant beside the published number, deviations below.

Training and test error are those of the last step, in per cent; the training error is that of the
final weights in evaluation mode on the whole training split. Statistics are over seeds.
"""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.strict_yaml import dump_yaml
from reslab.papers import Published
from reslab.report.deviations import assumptions, deviations, grouped
from reslab.report.runs import Plan, Run, Variant, read_variants
from reslab.report.statistics import Comparison, Summary, compare, summarize
from reslab.report.text import NOTHING, bullets, listed, number, percent, si, wrap
from reslab.text import markdown_table

STATE_WORDS: dict[store.State, str] = {
    "running": "running",
    "crashed": "crashed",
    "interrupted": "interrupted",
    "pending": "missing",
}
BOUNDS = {"above": ">", "below": "<", "about": "≈"}


@dataclass(frozen=True)
class Table:
    """The same table for people and for programs; both end with a line break."""

    markdown: str
    csv: str


@dataclass(frozen=True)
class Row:
    """A variant and its statistics."""

    variant: Variant
    train: Summary
    test: Summary
    comparison: Comparison | None


def render(plan: Plan, folder: Path) -> Table:
    """The table of a plan whose run folders are in `folder`; no file is written."""
    variants = read_variants(plan, folder)
    rows = [_row(variant) for variant in variants]
    references = list(dict.fromkeys(v.published.reference for v in variants if v.published))
    parts = [
        f"**{plan['title']}**",
        _grid(rows, references),
        wrap(_caption(rows)),
        *_notes(plan, variants, references),
    ]
    return Table("\n\n".join(filter(None, parts)) + "\n", _csv(rows))


def _row(variant: Variant) -> Row:
    diverged = variant.count("diverged")
    train, test = (summarize(variant.errors(split), diverged) for split in ("train", "test"))
    like = None
    if variant.published and variant.published.column == "train_error":
        like = compare(train, variant.published)
    elif variant.published and not _is_held_out(variant):
        like = compare(test, variant.published)
    return Row(variant, train, test, like)


# ---- the grid ---------------------------------------------------------------------------------


def _grid(rows: Sequence[Row], references: Sequence[str]) -> str:
    held_out = any(_is_held_out(row.variant) for row in rows)
    columns = {
        "variant": [row.variant.label for row in rows],
        "difference": [short_difference(row.variant.difference) for row in rows],
        "params": [si(row.variant.params) for row in rows],
        "mult-adds": [si(row.variant.multiply_adds) for row in rows],
        "runs": [_runs(row.variant) for row in rows],
        "train error": [_spread(row.train, row.variant) for row in rows],
        "held-out error" if held_out else "test error": [
            _spread(row.test, row.variant) for row in rows
        ],
        "best": [percent(row.test.best) for row in rows],
        "median": [percent(row.test.median) for row in rows],
    }
    if references:
        columns["published"] = [_published(row.variant, references) for row in rows]
        columns["Δ"] = [_delta(row.comparison) for row in rows]
    words = ("variant", "difference", "published")
    numeric = [i for i, head in enumerate(columns) if head not in words]
    return markdown_table(list(columns), list(zip(*columns.values(), strict=True)), numeric)


def short_difference(difference: dict[str, Any]) -> str:
    """`resnet110, warmup_steps=400`: each field by its last word, a net by its name alone."""
    leaves = Counter(path.rpartition(".")[2] for path in difference)

    def field(path: str, value: Any) -> str:
        if path in ("model", "model.name"):
            return str(value)
        leaf = path.rpartition(".")[2]
        return f"{leaf if leaves[leaf] == 1 else path}={number(value)}"

    return ", ".join(field(path, value) for path, value in difference.items()) or NOTHING


def _runs(variant: Variant) -> str:
    """`2/5, 1 running, 2 missing`, or `3 of 5 trained` where runs diverged."""
    done, diverged, planned = variant.count("done"), variant.count("diverged"), len(variant.runs)
    final = f"{done} of {done + diverged} trained" if diverged else f"{done}/{planned}"
    if done + diverged == 0:
        return final  # the columns of errors say what the runs are doing
    waiting = [
        f"{variant.count(state)} {word}"
        for state, word in STATE_WORDS.items()
        if variant.count(state)
    ]
    return ", ".join([final, *waiting])


def _spread(summary: Summary, variant: Variant) -> str:
    """Mean ± standard deviation, or what there is instead."""
    if summary.mean is not None:
        return f"{percent(summary.mean)} ± {percent(summary.std)}"
    if summary.diverged:
        return NOTHING if summary.trained else "diverged"
    return next((word for state, word in STATE_WORDS.items() if variant.count(state)), NOTHING)


def _published(variant: Variant, references: Sequence[str]) -> str:
    published = variant.published
    if published is None:
        return NOTHING
    marks = [
        published_text(published),
        "third party" if published.third_party else "",
        "memory" if published.verified == "memory" else "",
    ]
    return ", ".join(filter(None, marks)) + f" [{references.index(published.reference) + 1}]"


def published_text(published: Published) -> str:
    """A published number with its statistic: `6.61 ± 0.16, best 6.43 of 5`, `> 60`, `fail`."""
    if published.fail or published.value is None:
        return "fail"
    if published.bound:
        return f"{BOUNDS[published.bound]} {published.value:g}"

    def spread(value: float | None) -> str:
        text = percent(value, published.decimals)
        return text if published.std is None else f"{text} ± {published.std:.{published.decimals}f}"

    if published.kind == "best" and published.mean is not None:
        best = f"best {percent(published.best, published.decimals)}"
        of = f" of {published.n}" if published.n else ""
        return f"{spread(published.mean)}, {best}{of}"
    statistic = "unstated" if published.kind == "unstated" else published.statistic
    return f"{spread(published.value)}, {statistic}"


def _delta(comparison: Comparison | None) -> str:
    return NOTHING if comparison is None else f"{comparison.difference:+.2f}".replace("-", "−")


def _is_held_out(variant: Variant) -> bool:
    return variant.config is not None and variant.config.data.holdout > 0


# ---- below the grid ---------------------------------------------------------------------------


def _caption(rows: Sequence[Row]) -> str:
    lines = [
        "Errors in per cent at the last step, training error with the final weights; mean ± "
        "standard deviation (n − 1), best and median over seeds."
    ]
    if any(row.variant.count("diverged") for row in rows):
        lines.append(
            "Where a run diverged there is no mean; it counts as the worst in best and median."
        )
    if any(row.comparison for row in rows):
        lines.append(
            "Δ is ours minus published, the same statistic of both; a single run and an unstated "
            "statistic (the source does not say whether best or mean, nor of how many) stand "
            "beside our mean."
        )
    return " ".join(lines)


def _notes(plan: Plan, variants: Sequence[Variant], references: Sequence[str]) -> Iterator[str]:
    yield wrap(_options(plan["options"]))
    yield bullets("Published:", [f"[{i}] {text}" for i, text in enumerate(references, 1)])
    if any(v.published and v.published.verified == "memory" for v in variants):
        yield wrap("memory: a number from recollection, not checked against its source.")
    yield bullets("Deviations:", deviations(plan, variants))
    for cite, lines in assumptions(plan, variants).items():
        yield bullets(f"Assumed where {cite} is silent:", lines)
    yield bullets("Notes:", grouped(_remarks(variants), [v.label for v in variants]))
    yield bullets("Runs:", list(_history([run for v in variants for run in v.runs])))


def _remarks(variants: Sequence[Variant]) -> Iterator[tuple[str, str]]:
    """The experiment's notes on its variants, the data files' notes on published numbers."""
    for variant in variants:
        published = variant.published
        if variant.note:
            yield variant.note, variant.label
        if published is not None and published.note:
            yield f"{published.citation}: {published.note}", variant.label


def _options(options: dict[str, Any]) -> str:
    """The options of the plan that are not at their default, as they are given to make."""
    given = {
        "BUDGET": options.get("budget"),
        "SEEDS": options.get("seeds"),
        "ONLY": options.get("only"),
        "SET": " ".join(options.get("set") or []),
        "DEVICES": options["devices"] if options.get("devices", 1) != 1 else None,
    }
    words = [
        f"{name}={shlex.quote(str(value))}"
        for name, value in given.items()
        if value not in (None, "")
    ]
    return f"Options: {' '.join(words)}" if words else ""


def _history(runs: Sequence[Run]) -> Iterator[str]:
    """What a reader should know about single runs: failures, resumptions, other code, devices."""
    for run in runs:
        if run.state == "diverged" and run.result is not None:
            rate = f" with learning rate {run.result['lr']:g}" if "lr" in run.result else ""
            yield f"{run.folder.name} diverged at step {run.result['step']:,}{rate}"
        if run.state == "crashed":
            message = (store.read_json(run.folder / store.ERROR) or {}).get("message", "")
            yield f"{run.folder.name} crashed: {(message.strip().splitlines() or ['?'])[-1]}"
    codes = Counter(code for run in runs for code in {str(s.get("code")) for s in run.starts})
    if len(codes) > 1:
        yield "several versions of the code: " + _tally(codes)
    machines = Counter(machine for run in runs for machine in set(map(_machine, run.starts)))
    if len(machines) > 1:
        yield "several kinds of devices: " + _tally(machines)
    resumed = [run for run in runs if len(run.starts) > 1]
    if resumed:
        moved = [run.folder.name for run in resumed if len(set(map(_machine, run.starts))) > 1]
        where = f"; on other devices than before: {listed(moved)}" if moved else ""
        yield f"{len(resumed)} of {len(runs)} were started more than once{where}"


def _machine(start: dict[str, Any]) -> str:
    return f"{start.get('devices', 1)} × {start.get('device', 'unknown')}"


def _tally(counter: "Counter[str]") -> str:
    """What most runs have in common first."""
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{name} ({count} run{'s' * (count != 1)})" for name, count in ordered])


# ---- CSV --------------------------------------------------------------------------------------


def _csv(rows: Sequence[Row]) -> str:
    """Raw numbers with full names; empty where there is none."""
    text = io.StringIO()
    records = [_record(row) for row in rows]
    names = list(records[0]) if records else []
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _record(row: Row) -> dict[str, Any]:
    variant, like = row.variant, row.comparison
    return {
        "variant": variant.label,
        "difference": dump_yaml(variant.difference).strip().replace("\n", "; ")
        if variant.difference
        else "",
        "params": variant.params,
        "multiply_adds": variant.multiply_adds,
        "runs_planned": len(variant.runs),
        "runs_done": variant.count("done"),
        "runs_diverged": variant.count("diverged"),
        "runs_running": variant.count("running"),
        "runs_crashed": variant.count("crashed"),
        "runs_missing": variant.count("pending", "interrupted"),
        **_statistics("train", row.train),
        **_statistics("test", row.test),
        "test_split": "holdout" if _is_held_out(variant) else "test",
        **_published_record(variant.published),
        "compared_statistic": like.statistic if like else "",
        "difference_to_published": like.difference if like else "",
    }


def _statistics(split: str, summary: Summary) -> dict[str, float | None]:
    names = ("mean", "std", "best", "median")
    return {f"{split}_top1_error_{name}": getattr(summary, name) for name in names}


def _published_record(published: Published | None) -> dict[str, Any]:
    names = (
        "value",
        "bound",
        "fail",
        "kind",
        "n",
        "best",
        "mean",
        "median",
        "std",
        "citation",
        "third_party",
        "verified",
    )
    return {f"published_{name}": getattr(published, name, None) for name in names}
