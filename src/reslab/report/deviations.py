"""Deviations from a paper's protocol, computed from what was run (never written by hand).

A deviation is a field of the run that differs from the protocol; where the paper is silent, our
choice is an assumption. Both are grouped: one line for all variants that share it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from reslab.config.data import Contents, facts_of, known_classes
from reslab.config.run import RunConfig
from reslab.config.trees import flatten
from reslab.papers.published import DETAILS, Training, protocol_of
from reslab.report.runs import Outcome
from reslab.report.text import NOTHING, listed, number
from reslab.report.values import Note, NoteKind
from reslab.store.plan import Plan

Message = tuple[str, str]
"""A sentence and the label of the variant that it is about."""

OF_THE_RUN = {
    "seed", "budget", "diagnostics", "data.holdout", "data.folder", "data.files",
    "data.counts.classes", "data.counts.train", "data.counts.test", "data.file",
    "model.in_channels", "model.classes",
    *(f"data.contents.{field}" for field in Contents.model_fields),
}  # fmt: skip
"""Fields that have a sentence of their own, that follow from others, or that change nothing."""
ORIGIN = ("name", "file", "sha256", "url")
"""What stands in the place of `run` where weights are no run's."""


def deviations(plan: Plan, outcomes: Sequence[Outcome]) -> list[Note]:
    """A note for each difference between what was run and what the papers did."""
    chosen: list[Message] = []
    measured: list[Message] = []
    for outcome in outcomes:
        training = training_of(plan, outcome)
        lines = [*_own_choices(outcome), *_seeds(outcome), *_fields(plan, outcome, training)]
        chosen += [(line, outcome.label) for line in lines]
        measured += [(line, outcome.label) for line in _normalization(outcome, training)]
    final = [outcome for outcome in outcomes if any(run.is_final for run in outcome.runs)]
    return [*notes_of("deviation", chosen, outcomes), *notes_of("deviation", measured, final)]


def standing(plan: Plan, outcomes: Sequence[Outcome]) -> list[Note]:
    """A note for each sentence of the papers' protocols on what has no field of a run."""
    told: list[Message] = []
    for outcome in outcomes:
        training = training_of(plan, outcome)
        if training is not None and outcome.config is not None:
            told += [(f"{training.cite}: {line}", outcome.label) for line in training.differs]
    return notes_of("deviation", told, outcomes)


def assumptions(plan: Plan, outcomes: Sequence[Outcome]) -> list[Note]:
    """For each paper (its short citation) a note for each of our choices where it is silent, and
    for those details of a net that its protocol does not mention."""
    messages: dict[str, list[Message]] = {}
    for outcome in outcomes:
        config, training = outcome.config, training_of(plan, outcome)
        if config is None or training is None:
            continue
        ours = leaves(config)
        read = ours.keys() - config.unread
        messages.setdefault(training.cite, []).extend(
            (f"{field}: {_value(field, ours[field], config)}{mark}", outcome.label)
            for fields, mark in ((training.silent_on, ""), (training.unstated, ", not stated"))
            for field in sorted(fields & read)
        )
    told = (notes_of("assumption", lines, outcomes, cite) for cite, lines in messages.items())
    return list(chain.from_iterable(told))


def training_of(plan: Plan, outcome: Outcome) -> Training | None:
    """The protocol that a variant is held against: its own cell's, else the experiment's."""
    cell = outcome.published
    own = protocol_of(cell.table, cell.row, cell.column) if cell else None
    return own or (protocol_of(plan.published) if plan.published else None)


def notes_of(
    kind: NoteKind, messages: Iterable[Message], outcomes: Sequence[Outcome], of: str = ""
) -> list[Note]:
    """A note of this kind for each sentence about some of these variants."""
    found = grouped(messages, [outcome.label for outcome in outcomes])
    return [Note(kind, text, of) for text in found]


def grouped(messages: Iterable[Message], labels: Sequence[str]) -> list[str]:
    """Equal sentences once, with the variants that they are about where these are not all; those of
    most variants first."""
    about: dict[str, list[str]] = {}
    for sentence, label in messages:
        about.setdefault(sentence, []).append(label)
    lines = sorted(about.items(), key=lambda item: -len(item[1]))
    return [sentence + _who(those, labels) for sentence, those in lines]


def _own_choices(outcome: Outcome) -> Iterator[str]:
    """What no paper does: a part of the budget, a test on held-out training images."""
    config = outcome.config
    if config is None:
        return
    full, scaled, budget = config.recipe, config.scaled_recipe, f"budget {config.budget:g}"
    if config.budget != 1:
        milestones = listed([f"{m:,}" for m in scaled.schedule.milestones])
        yield (
            f"{budget}: {scaled.steps:,} of {full.steps:,} steps"
            + (f", milestones {milestones}" if milestones else "")
        )
        if full.schedule.warmup_steps:
            yield (
                f"{budget}: the warm-up lasts {scaled.schedule.warmup_steps:,} of "
                f"{full.schedule.warmup_steps:,} steps"
            )
    if config.data.split == "holdout":
        yield (
            f"data.holdout: tested on {config.data.holdout:,} training images set aside, not on "
            "the test set"
        )


def _seeds(outcome: Outcome) -> Iterator[str]:
    """Another number of runs than the published statistic is over."""
    published, seeds = outcome.published, len(outcome.runs)
    if published is not None and published.n not in (None, seeds):
        yield f"seeds: {seeds}; {published.citation}: {published.statistic}"


def _normalization(outcome: Outcome, training: Training | None) -> Iterator[str]:
    """Another number of examples per BatchNorm normalisation, as the runs have recorded it.

    Than the paper's; where none is stated, than the recipe's batch.
    """
    if outcome.config is None:
        return
    if training is None or training.normalization_batch is None:
        expected, whose = outcome.config.recipe.batch_size, "the recipe's batch"
    else:
        expected, whose = training.normalization_batch, training.cite
    recorded = [r for run in outcome.runs if run.result for r in (*run.starts, run.result)]
    batches = (record.get("normalization_batch") for record in recorded)
    for batch in sorted({batch for batch in batches if batch not in (None, expected)}):
        yield f"examples per BatchNorm normalisation: {batch}; {whose}: {expected}"


def _fields(plan: Plan, outcome: Outcome, training: Training | None) -> Iterator[str]:
    """Fields that differ, and those not at their default that the protocol does not mention. What
    ours rests on, where it says that of a run, is called as its variant, or as what else it is."""
    config = outcome.config
    if config is None:
        return
    if training is None:
        if outcome.published is not None:
            yield f"all of it: how {outcome.published.citation} trained is not recorded here"
        return
    ours = leaves(config)
    origins = {"start.run": config.start, "teacher.run": config.teacher}

    def named(field: str) -> str:
        if origin := origins.get(field):
            return plan.labels.get(origin.run or "", origin.origin)
        return _value(field, ours.get(field, NOTHING), config)

    told = {f.replace("run", word) for f in origins.keys() & training.fields for word in ORIGIN}
    skipped = OF_THE_RUN | config.unread | (DETAILS - ours.keys()) | told
    compared = training.fields.keys() - (skipped - {"data.holdout", "data.selected_on"})
    for field, theirs in training.fields.items():
        if field in compared and ours.get(field) != theirs:
            yield f"{field}: {named(field)}; {training.cite}: {number(theirs)}"
    mentioned = training.fields.keys() | training.silent_on | skipped
    for field in sorted(leaves(config, chosen=True).keys() - mentioned):
        if not field.startswith("model."):
            yield f"{field}: {named(field)}; {training.cite} does not mention it"


def _value(field: str, ours: Any, config: RunConfig) -> str:
    """Our value, and what it means where the number alone does not tell."""
    value = number(ours)
    if field == "data.holdout" and not config.data.holdout:
        return f"0, all {facts_of(config.data).train:,} training images"
    if field == "data.selected_on" and config.data.selected_on == "none":
        return "none, the weights of the last step"
    if field == "data.classes":
        return f"{len(config.data.classes)} of {len(known_classes(config.data)):,}"
    if field == "recipe.schedule.warmup_steps" and config.recipe.schedule.warmup_steps:
        return f"{value} steps at {config.recipe.schedule.warmup_lr:g}"
    return value


def leaves(config: RunConfig, chosen: bool = False) -> dict[str, Any]:
    """The fields of a run by their dotted paths, as JSON has them; only those not at their default
    where what was `chosen` is asked for."""
    return flatten(config.model_dump(mode="json", exclude_defaults=chosen))


def _who(those: Sequence[str], labels: Sequence[str]) -> str:
    """Which variants: nothing for all of them, the exceptions where these are fewer."""
    others = [label for label in labels if label not in those]
    if not others:
        return ""
    if len(others) < len(those) / 2:
        return f" (all but {listed(others)})"
    return f" ({listed(those)})"
