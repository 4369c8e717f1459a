"""What stands below a table: deviations, assumptions, remarks, and what happened to single runs."""

from collections import Counter
from collections.abc import Iterator, Sequence

from reslab import store
from reslab.config.views import called
from reslab.papers.published import table
from reslab.papers.schema import Column, Line
from reslab.report.deviations import assumptions, deviations, grouped, notes_of, standing
from reslab.report.machines import form, machine, tally
from reslab.report.origins import starts
from reslab.report.runs import Outcome, Run
from reslab.report.text import listed
from reslab.report.values import Note
from reslab.store.plan import Plan
from reslab.text import counted


def notes(plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[Note]:
    """Deviations, assumptions, remarks on variants, and what happened to runs."""
    yield from deviations(plan, outcomes)
    yield from standing(plan, outcomes)
    yield from assumptions(plan, outcomes)
    yield from notes_of("remark", _remarks(outcomes), outcomes)
    yield from (Note("unmatched", text) for text in _without_variant(outcomes))
    yield from _history(outcomes)


def _remarks(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """The experiment's notes on its variants, the data files' notes on published numbers, and what
    an evaluation on the published number's views has assumed."""
    for outcome in outcomes:
        published = outcome.published
        if outcome.variant.note:
            yield outcome.variant.note, outcome.label
        if chosen := _selected(outcome):
            yield chosen, outcome.label
        yield from ((line, outcome.label) for line in starts(outcome))
        if neighbors := _neighbors(outcome):
            yield neighbors, outcome.label
        if published is None:
            continue
        evaluations = (run.evaluations.get(published.views, {}) for run in outcome.runs)
        assumed = dict.fromkeys(line for found in evaluations for line in found.get("assumed", ()))
        yield from ((f"{called(published.views)}: {line}", outcome.label) for line in assumed)
        if published.note:
            yield f"{published.citation}: {published.note}", outcome.label


def _selected(outcome: Outcome) -> str:
    """Of which steps the weights are, where the held-out images have chosen them."""
    steps = [
        f"{run.result['selected_step']:,} (seed {run.seed})"
        for run in outcome.runs
        if run.result is not None and "selected_step" in run.result
    ]
    return f"weights chosen by the held-out images: of step {listed(steps)}" if steps else ""


def _neighbors(outcome: Outcome) -> str:
    """What the errors are of a run that was trained without labels."""
    config = outcome.config
    if config is None or config.recipe.objective.is_of_classes:
        return ""
    objective = config.recipe.objective
    return (
        f"trained without labels ({objective.name}): its errors are those of the "
        f"{objective.neighbors} nearest training images in the net's features, of the last step "
        f"(temperature {objective.temperature:g})"
    )


def _without_variant(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The rows and columns of the variants' tables that the data files leave out, and why."""
    citations = {o.published.table: o.published.citation for o in outcomes if o.published}
    for ref, citation in citations.items():
        printed = table(ref)
        parts: dict[str, Line | Column] = {**printed.rows, **printed.columns}
        for place, part in parts.items():
            if part.no_variant:
                yield f"{citation}, {place}: {part.no_variant}"


def _history(outcomes: Sequence[Outcome]) -> Iterator[Note]:
    """What a reader should know about single runs: failures, resumptions, other code, devices, the
    forms of their steps."""
    runs = [run for outcome in outcomes for run in outcome.runs]
    told = [*filter(None, map(_end, runs))]
    told += grouped(_left_out(runs), [run.folder.name for run in runs])
    yield from (Note("run", text) for text in told)
    codes, machines = tally(runs, lambda start: str(start.get("code"))), tally(runs, machine)
    if len(codes) > 1:
        yield Note("run", "several versions of the code: " + _listed(codes))
    if len(machines) > 1:
        yield Note("run", "several kinds of devices: " + _listed(machines))
    yield from notes_of("run", _forms(outcomes), outcomes)
    resumed = [run for run in runs if len(run.starts) > 1]
    if resumed:
        moved = [run.folder.name for run in resumed if len(set(map(machine, run.starts))) > 1]
        where = f"; on other devices than before: {listed(moved)}" if moved else ""
        who = "the run was" if len(runs) == 1 else f"{len(resumed)} of {len(runs)} runs were"
        yield Note("run", f"{who} started more than once{where}")


def _end(run: Run) -> str:
    """How a run ended that has no errors; nothing of others."""
    if run.state == "diverged" and run.result is not None:
        lr = run.result.get("lr")
        rate = "" if lr is None else f" with learning rate {lr:g}"
        return f"{run.folder.name} diverged at step {run.result['step']:,}{rate}"
    if run.state == "damaged":
        return f"{run.folder.name} has a damaged {store.RESULT}"
    if run.state == "crashed":
        message = store.read_error(run.folder)
        first = (message.strip().splitlines() or ["?"])[0]
        return f"{run.folder.name} crashed: {first.rstrip(':')}"
    return ""


def _left_out(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    for run in runs:
        if run.result is not None and run.result.get("undecodable"):
            count = run.result["undecodable"]
            yield f"{count:,} files that cannot be decoded were left out", run.folder.name


def _forms(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """Of rows with compiled runs, or with runs in several forms: a digit may be of the form."""
    for outcome in outcomes:
        forms = tally(outcome.runs, form)
        if "compiled" in forms or len(forms) > 1:
            yield f"steps are rounded as their form does: {_listed(forms)}", outcome.label


def _listed(counter: "Counter[str]") -> str:
    """What most runs have in common first."""
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return listed([f"{name} ({counted(count, 'run')})" for name, count in ordered])
