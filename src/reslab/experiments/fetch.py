"""Weights that runs start from and that are not there: told in a dry run, else fetched before
anything starts. What cannot be had is named at once."""

import shlex
from collections.abc import Iterator, Sequence

from reslab import store
from reslab.config.origins import bring, published_file, there, weights_root
from reslab.config.start import Start
from reslab.errors import NEXT, UserError, listed
from reslab.experiments.jobs import Job
from reslab.text import printable, size

Needed = dict[Start, list[Job]]


def missing(jobs: Sequence[Job]) -> Needed:
    """The origins that runs which have not begun yet will read and that are not there, and whose
    they are; a run of the plan is no such origin."""
    found: Needed = {}
    for job in jobs:
        start, begun = job.config.start, (job.folder / store.CHECKPOINT).exists()
        if job.pending and start and start.run is None and not begun and not there(start):
            found.setdefault(_file(start), []).append(job)
    return found


def _file(start: Start) -> Start:
    """The origin alone: what is loaded of it and where to makes no other file."""
    return start.model_copy(update={"head": "new", "loads": "all", "key": None})


def fetch(jobs: Sequence[Job], only: str | None = None) -> None:
    """Bring all weights that are missing. `UserError` names all that cannot be had, with the files
    that would do and the `ONLY=` that does without."""
    wanted, problems = missing(jobs), list[str]()
    failed = list[Job]()
    for start, whose in wanted.items():
        try:
            bring(start)
        except UserError as error:
            problems.append(f"{labels(whose)}: start: {start.origin}: {error}")
            failed += whose
    if problems:
        raise UserError(
            NEXT.join(["nothing was started:", *problems, *without(jobs, failed, only)])
        )


def without(jobs: Sequence[Job], failed: Sequence[Job], only: str | None) -> Iterator[str]:
    """The `only` that also leaves out the variants that lack something, and those that start from
    them; nothing where none would be left."""
    lacking = dict.fromkeys(job.variant.label for job in failed)
    label_of = {job.folder: job.variant.label for job in jobs}
    for job in jobs:  # none comes before the one that it starts from
        if job.start and label_of.get(job.start) in lacking:
            lacking[job.variant.label] = None
    if {job.variant.label for job in jobs if not job.is_origin} - {*lacking}:
        parts = ",".join((*([only] if only else []), *(f"!{label}" for label in lacking)))
        yield f"without these: ONLY={shlex.quote(printable(parts))}"


def labels(jobs: Sequence[Job]) -> str:
    """The variants of some runs, for a line."""
    return listed({job.variant.label for job in jobs}, 3)


def to_fetch(jobs: Sequence[Job]) -> Iterator[str]:
    """A line for each file that would be fetched: from where, to where, how much, about."""
    for start, whose in missing(jobs).items():
        known = published_file(start)
        if known is None:
            yield f"{labels(whose)}: start: there is no {start.file}, and it cannot be fetched"
            continue
        expected = known.size or 4 * whose[0].variant.params
        about = "" if known.size else "about "
        unchecked = "" if known.digest else "; its SHA-256 is not known before, start.json has it"
        yield (
            f"would fetch {known.name} ({about}{size(expected)}) for {labels(whose)}: "
            f"{known.url} → {weights_root() / known.file}{unchecked}"
        )
