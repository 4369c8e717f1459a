"""How an experiment was done, in words: what a reviewer asks for; and what its seeds say.

Data, steps, schedule, optimiser, augmentation, seeds, hardware and versions are told from what the
runs are and from what they recorded; deviations and assumptions are the table's notes. A sentence
that is not about all variants says about which.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reslab.config.data import facts_of
from reslab.config.description import Description
from reslab.config.run import RunConfig
from reslab.config.start import Start
from reslab.report.deviations import Message, grouped
from reslab.report.machines import code, machine, tally, versions
from reslab.report.runs import Outcome, Run
from reslab.report.text import listed, number
from reslab.report.values import NoteKind, Table
from reslab.text import counted, duration


@dataclass(frozen=True)
class Paragraph:
    """A heading, its sentences, and what is listed after them; all plain text."""

    heading: str
    sentences: tuple[str, ...]
    items: tuple[str, ...] = ()


LISTED: dict[NoteKind, str] = {
    "options": "Command line",
    "missing": "Missing",
    "memory": "Numbers from memory",
    "deviation": "Deviations",
    "assumption": "Assumed where {of} is silent",
    "run": "Single runs",
    "remark": "Notes",
    "unmatched": "Published numbers without a variant",
}
"""Notes of the table that are told below the protocol, in this order."""
VERDICTS: dict[NoteKind, str] = {
    "verdict": "Beside the published numbers",
    "question": "Beside each other, paired by seed",
}
"""And those that are results. Others stand in the table's caption, or are its references."""
SOLVERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "lamb": "LAMB"}
SCHEDULES: dict[str, Callable[[RunConfig], str]] = {
    "step": lambda run: (
        f"is multiplied by {run.scaled_recipe.schedule.gamma:g} at "
        f"{'step' if len(run.scaled_recipe.schedule.milestones) == 1 else 'steps'} "
        + listed([f"{step:,}" for step in run.scaled_recipe.schedule.milestones])
    ),
    "cosine": lambda run: "falls as half a cosine to 0 at the last step",
    "constant": lambda run: "is constant",
    "one_cycle": lambda run: (
        "rises from a 25th as half a cosine in the first "
        f"{100 * run.recipe.schedule.pct_start:g} % of the steps and falls as another to a "
        "250,000th"
    ),
}
"""What becomes of the learning rate after the warm-up."""


def protocol(table: Table, outcomes: Sequence[Outcome]) -> list[Paragraph]:
    """The protocol of one plan, whose table and outcomes these are."""
    labels = [outcome.label for outcome in outcomes]
    configs = [(o.config, o.label) for o in outcomes if o.config is not None]
    told = {
        heading: _all_of([(tell(run), label) for run, label in configs], labels)
        for heading, tell in TOPICS.items()
    }
    told["Seeds"] = _all_of([(_seeds(outcome), outcome.label) for outcome in outcomes], labels)
    told["Hardware and versions"] = tuple(_machines([run for o in outcomes for run in o.runs]))
    paragraphs = (Paragraph(heading, sentences) for heading, sentences in told.items() if sentences)
    return [*paragraphs, *_listed(table, LISTED)]


def _all_of(messages: Sequence[Message], labels: Sequence[str]) -> tuple[str, ...]:
    """The sentences that say something, each once."""
    told = [(sentence, label) for sentence, label in messages if sentence]
    return tuple(f"{sentence}." for sentence in grouped(told, labels))


def _data(run: RunConfig) -> str:
    facts, data = facts_of(run.data), run.data
    parts = [
        f"Nets were trained on {run.training_images:,} images of {facts.classes:,} classes of "
        f"{data.name}",
        _held_out(run),
        f"of each class the first {data.per_class:,} were used" if data.per_class else "",
        f"of each class the part {data.label_fraction:g} was used" if data.label_fraction else "",
        f"read at a shorter side of {data.prepared} pixels" if data.prepared else "",
    ]
    return ", ".join(filter(None, parts))


def _held_out(run: RunConfig) -> str:
    data, test = run.data, facts_of(run.data).test
    if not data.holdout:
        return f"and tested on {test:,}"
    if data.split == "holdout":
        return f"and tested on {data.holdout:,} other images of the training set"
    chosen = "chose the weights" if data.selected_on == "holdout" else "were set aside"
    return f"while {data.holdout:,} others {chosen}, and tested on {test:,}"


def _length(run: RunConfig) -> str:
    recipe = run.scaled_recipe
    part = (
        f", {run.budget:g} of the recipe's {run.recipe.steps:,} with the schedule in proportion"
        if run.budget != 1
        else ""
    )
    return (
        f"Training lasted {recipe.steps:,} steps of {recipe.batch_size:,} images "
        f"({run.epochs:.3g} epochs){part}"
    )


def _optimizer(run: RunConfig) -> str:
    optimizer = run.recipe.optimizer
    rest = _told(optimizer, "recipe.optimizer", run, leave_out=("name", "lr"))
    with_rest = f", {rest}" if rest else ""
    return f"{SOLVERS[optimizer.name]} with learning rate {optimizer.lr:g}{with_rest}"


def _schedule(run: RunConfig) -> str:
    schedule = run.scaled_recipe.schedule
    main = f"The learning rate {SCHEDULES[schedule.name](run)}"
    if not schedule.warmup_steps or schedule.name == "one_cycle":
        return main
    how = "it is" if schedule.warmup == "constant" else "it rises in a line from"
    return f"{main}; in the first {schedule.warmup_steps:,} steps {how} {schedule.warmup_lr:g}"


def _images(run: RunConfig) -> str:
    recipe = run.recipe
    kind = recipe.normalization
    how = kind if isinstance(kind, str) else _told(kind, "recipe.normalization", run)
    changed = _told(recipe.augmentation, "recipe.augmentation", run) or "none"
    crops = (
        f"; photographs: {_told(recipe.photographs, 'recipe.photographs', run)}"
        if recipe.photographs
        else ""
    )
    return f"Normalisation: {how.replace('_', ' ')}; augmentation: {changed}{crops}"


def _others(run: RunConfig) -> str:
    """Whatever else decides a run's result and is not at its default."""
    objective = run.recipe.objective
    parts = {
        "without labels": (
            "" if objective.is_of_classes else _told(objective, "recipe.objective", run)
        ),
        "label smoothing": run.recipe.label_smoothing,
        "precision": run.precision if run.precision != "32-true" else "",
        "starts from": _begins(run.start) if run.start else "",
        "taught by": run.teacher.origin if run.teacher else "",
        "loss": _told(run.recipe.loss, "recipe.loss", run) if run.teacher else "",
        "adapter": _told(run.adapter, "adapter", run) if run.adapter else "",
        "trains": listed(run.trains) if run.is_adapted else "",
    }
    told = "; ".join(f"{name}: {value}" for name, value in parts.items() if value)
    return told[:1].upper() + told[1:]


def _begins(start: Start) -> str:
    """Where the weights are from; of pruned nets, which of them."""
    cut = ", of each unit's first filters those of the largest L1 norm"
    return start.origin + (cut if start.loads == "l1" else "")


TOPICS: Mapping[str, Callable[[RunConfig], str]] = {
    "Data": _data,
    "Steps": _length,
    "Optimiser": _optimizer,
    "Schedule": _schedule,
    "Images": _images,
    "Also": _others,
}


def _told(part: Description, path: str, run: RunConfig, leave_out: Sequence[str] = ()) -> str:
    """The fields of a part of a run that are read and not at their default: `crop padding 4`."""
    values = part.model_dump(mode="json", exclude_defaults=True)
    left_out = run.unread | {f"{path}.{name}" for name in leave_out}
    told = {name: value for name, value in values.items() if f"{path}.{name}" not in left_out}
    return ", ".join(_field(name, value) for name, value in told.items())


def _field(name: str, value: Any) -> str:
    word = name.replace("_", " ")
    if isinstance(value, dict):
        return f"{word} ({', '.join(_field(*item) for item in value.items())})"
    if value is True:
        return word
    return f"{word} {number(value).replace('_', ' ')}"


def _seeds(outcome: Outcome) -> str:
    seeds = [run.seed for run in outcome.runs]
    done, diverged = outcome.count("done"), outcome.count("diverged")
    ends = {"done": done, "diverged": diverged, "not there yet": len(seeds) - done - diverged}
    rest = ", ".join(f"{count} {name}" for name, count in ends.items() if count)
    which = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {listed(list(map(str, seeds)))}"
    return f"{counted(len(seeds), 'run')} each ({which}): {rest}"


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    """Devices, versions and code of the runs' starts, and how long the runs took."""
    for tell in (machine, versions, code):
        if line := "; ".join(_shares(tally(runs, tell))):
            yield f"{line[0].upper()}{line[1:]}."
    seconds = [run.result["seconds"] for run in runs if run.result and "seconds" in run.result]
    if seconds:
        yield f"{counted(len(seconds), 'run')} took {duration(sum(seconds))} in all."


def _shares(counter: "Counter[str]") -> Iterator[str]:
    """Each with its number of runs, where there are several."""
    for text, count in sorted(counter.items()):
        yield f"{text} ({counted(count, 'run')})" if len(counter) > 1 else text


def verdicts(table: Table) -> list[Paragraph]:
    """What a table says of itself: verdicts, answers to questions."""
    return list(_listed(table, VERDICTS))


def _listed(table: Table, kinds: Mapping[NoteKind, str]) -> Iterator[Paragraph]:
    for kind, heading in kinds.items():
        of_kind = table.told(kind)
        for of in dict.fromkeys(note.of for note in of_kind):
            items = tuple(note.text for note in of_kind if note.of == of)
            yield Paragraph(heading.format(of=of), (), items)
