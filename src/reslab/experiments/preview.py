"""What is about to happen: the table of a dry run, and what is announced of every other."""

import shlex
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.data import NULLS, Data, facts_of, known_classes
from reslab.config.photographs import root_of
from reslab.errors import enumerated, listed
from reslab.execution import Execution
from reslab.experiments.choice import excluding
from reslab.experiments.estimate import correction, longest_chain
from reslab.experiments.form import form_in, forms_in_words
from reslab.experiments.jobs import Job
from reslab.experiments.slots import Slot
from reslab.folders import class_names
from reslab.terminal import fitted_table
from reslab.text import counted, duration, printable

DAY = 86_400

CLASSES = 8
"""Names of classes that are listed."""


def preview(jobs: list[Job], slot: Slot) -> str:
    """The variants as a table: what would run, and what it would take."""
    head = ["variant", "difference", "params", "multiply-adds", "steps", "epochs", "runs", "each ~"]
    of_variant: dict[tuple[str, bool], list[Job]] = {}
    for job in jobs:
        of_variant.setdefault((job.variant.slug, job.is_origin), []).append(job)
    factor = correction(slot)
    teachers = {job.rests.get("teacher") for job in jobs}
    rows = [
        _row(mine, mine[0].work.seconds(slot) * factor, teachers) for mine in of_variant.values()
    ]
    leave = ["multiply-adds", "params", "epochs"]
    return fitted_table(head, rows, numeric=range(2, 6), leave=leave)


def _row(jobs: list[Job], each: float, teachers: Collection[Path | None]) -> list[str]:
    variant, config, states = jobs[0].variant, jobs[0].config, Counter(job.state for job in jobs)
    role = " (a teacher)" if jobs[0].folder in teachers else " (a start)"
    return [
        f"{variant.label}{role if jobs[0].is_origin else ''}",
        ", ".join(f"{key}: {_written(key, value)}" for key, value in variant.difference.items()),
        f"{variant.params:,}" + (" + adapter" if config.added_params is None else ""),
        f"{variant.multiply_adds:,}",
        f"{config.scaled_recipe.steps:,}",
        f"{config.epochs:.1f}",
        ", ".join(f"{count} {state}" for state, count in states.items()),
        duration(each),
    ]


def _written(key: str, value: Any) -> str:
    if value is None:
        return NULLS.get(key, "none")
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def announce(
    jobs: list[Job], slots: list[Slot], only: str | None = None, told: Sequence[str] = ()
) -> None:
    """Print what is about to happen, and which final runs another version of the code made."""
    print(announcement(jobs, slots, only, told), flush=True)
    made = [job.result.get("code") for job in jobs if job.result is not None]
    others = sum(code != store.code_version() for code in made)
    if others:
        print(
            f"warning: {others} of the final runs were made by another version of the code; "
            "to make one anew, move its folder away",
            file=sys.stderr,
        )


def announcement(
    jobs: list[Job], slots: list[Slot], only: str | None = None, told: Sequence[str] = ()
) -> str:
    """Classes of folders and files of one's own; what runs start from; what is `told` of what would
    be fetched, and of the slots; runs, slots, time; advice where that is over a day, or over
    thousands of epochs, for those who have said this `ONLY`."""
    before = (*_classes(jobs), *_arrays(jobs), *_beginnings(jobs), *_origins(jobs))
    return "\n".join([*before, *told, *_announced(jobs, slots, only), *_many_epochs(jobs)])


def forms(jobs: list[Job], slot: Slot, execution: Execution) -> list[str]:
    """A line where not all steps are eager, as they are of short runs on a CPU."""
    line = forms_in_words(
        [form_in(slot, job.work, job.folder, execution) for job in jobs if job.pending]
    )
    return [line] if line else []


def _origins(jobs: list[Job]) -> Iterator[str]:
    """A line for each variant of which runs are only trained because others rest on them."""
    teachers = {job.rests.get("teacher") for job in jobs}
    of_variant: dict[tuple[str, bool], list[str]] = {}
    for job in jobs:
        if job.is_origin:
            key = job.variant.label, job.folder in teachers
            of_variant.setdefault(key, []).append(str(job.config.seed))
    for (label, teaches), seeds in of_variant.items():
        which = f"seed{'s' * (len(seeds) > 1)} {listed(seeds, CLASSES)}"
        why = "it teaches others" if teaches else "others start from it"
        yield f"also in the plan, since {why}: {printable(label)}, {which}"


def _classes(jobs: list[Job]) -> Iterator[str]:
    """A line for each folder of one's own: its classes, which show where it is another folder than
    was meant."""
    for folder, own in {j.config.data.folder: j.config.data for j in jobs}.items():
        if folder and Path(folder).is_dir():
            names = class_names(root_of(own), own.test_fraction)
            count = counted(len(names), "class", "classes")
            yield f"{count} in {printable(folder)}: {listed(names, CLASSES)}"
            yield from _split(own)


def _split(own: Data) -> Iterator[str]:
    """What is trained and tested on where the folder does not say it."""
    if own.counts and own.test_fraction:
        yield (
            f"{own.counts.test:,} images of all classes are tested on (data.test_fraction: "
            f"{own.test_fraction:g}), {own.counts.train:,} are trained on"
        )


def _arrays(jobs: list[Job]) -> Iterator[str]:
    """Two lines for each file of arrays: its classes, and what its arrays were taken for."""
    for file, own in {j.config.data.file: j.config.data for j in jobs}.items():
        if file:
            from reslab.config.arrays import unread  # numpy: a tenth of a second

            facts, names = facts_of(own), own.classes or known_classes(own)
            count = counted(len(names), "class", "classes")
            yield f"{count} in {printable(file)}: {enumerated(names, CLASSES)}"
            side, colour = facts.image_size, "grey" if facts.in_channels == 1 else "colour"
            others = unread(Path(file)) if Path(file).is_file() else []
            idle = f"; not read: {listed(others, CLASSES)}" if others else ""
            yield (
                f"{facts.train:,} training images and {facts.test:,} test images of {side} × "
                f"{side} pixels, {colour}{idle}"
            )


def _beginnings(jobs: list[Job]) -> Iterator[str]:
    """A line for what all variants start from, if they start from the same weights."""
    told = {
        f"starts from {printable(start.origin)}, head {start.head}; "
        f"trains {', '.join(job.config.trains)}"
        for job in jobs
        if (start := job.config.start) and start.run is None
    }
    if len(told) == 1 and all(job.config.start for job in jobs):
        yield from told


MANY_EPOCHS = 1000
"""More than these are hardly meant: a recipe's steps are for more images."""
MANY_OF_ONES_OWN = 100
"""The same of photographs of one's own."""


def _many_epochs(jobs: list[Job]) -> Iterator[str]:
    most = max((job.config for job in jobs), key=lambda config: config.epochs)
    if most.epochs > (MANY_OF_ONES_OWN if most.data.folder else MANY_EPOCHS):
        yield (
            f"that is {most.epochs:,.0f} times over {most.training_images:,} training images: "
            "EPOCHS=30 trains 30 times over them"
        )


def _announced(jobs: list[Job], slots: list[Slot], only: str | None) -> Iterator[str]:
    pending = [job for job in jobs if job.pending]
    if not pending:
        final = "the run is" if len(jobs) == 1 else f"all {len(jobs)} runs are"
        yield f"{final} final: nothing to train"
        return
    where = f"{len(slots)} at once on " + (
        f"{counted(len(slots[0].gpus), 'GPU')} each{_shared(slots)}"
        if slots[0].gpus
        else f"CPU, {_processes(slots[0])}{counted(slots[0].threads, 'thread')} each"
    )
    estimated = _total_seconds(pending, slots)
    what = f"{len(pending)} of {counted(len(jobs), 'run')} to do"
    yield f"{what}, {where}; estimated {duration(estimated)}"
    if estimated > DAY:
        yield _advice(pending, estimated, slots[0], only)


def _total_seconds(jobs: list[Job], slots: list[Slot]) -> float:
    """Estimated time for what is left of `jobs`: shared among the slots, or that of the longest
    chain of runs of which each rests on the one before."""
    left = {job.folder: (1 - job.fraction()) * job.work.seconds(slots[0]) for job in jobs}
    chain = longest_chain(left, {job.folder: job.parents for job in jobs})
    return correction(slots[0]) * max(sum(left.values()) / len(slots), chain)


def _processes(slot: Slot) -> str:
    """How many processes a run has, if more than one."""
    return f"{slot.processes} processes for each run, " if slot.processes > 1 else ""


def _shared(slots: list[Slot]) -> str:
    """How many runs share a GPU, if more than one does, and whether side by side."""
    runs = max(Counter(slot.gpus for slot in slots).values())
    beside = " side by side (MPS runs)" if slots[0].mps else ""
    return f", {runs} runs on each{beside}" if runs > 1 else ""


def _advice(pending: list[Job], estimated: float, slot: Slot, only: str | None) -> str:
    budget = max(job.config.budget for job in pending) * DAY / 2 / estimated
    advice = [f"BUDGET={budget:.1g} would take about half a day"]
    if len({job.config.seed for job in pending}) > 1:
        advice.append("SEEDS=1 trains one seed")
    labels = [job.variant.label for job in sorted(pending, key=lambda job: job.work.seconds(slot))]
    shortest, longest = labels[0], labels[-1]
    if longest != shortest:
        advice.append(f"ONLY={shlex.quote(printable(shortest))} one variant")
        kept = [label for label in dict.fromkeys(labels) if label != longest]
        others = excluding(only, [longest], kept)
        advice.append(f"ONLY={shlex.quote(printable(others))} all but the longest")
    return f"that is long: {', '.join(advice)}"
