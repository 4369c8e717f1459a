"""Weights that runs start from, or are taught by, and that are not there: told in a dry run, else
fetched before anything starts. What cannot be had is named at once."""

import shlex
from collections.abc import Iterator, Sequence

from reslab import store
from reslab.config.origins import bring, published_file, there, weights_root
from reslab.config.start import Start
from reslab.errors import NEXT, UserError, listed
from reslab.experiments.choice import excluding
from reslab.experiments.jobs import Job
from reslab.text import printable, size

Needed = dict[Start, list[Job]]


def missing(jobs: Sequence[Job]) -> Needed:
    """The origins that runs will read and that are not there, and whose they are; a run of the plan
    is no such origin. A start is read once, a teacher whenever a run goes on."""
    found: Needed = {}
    for job in jobs:
        begun = (job.folder / store.CHECKPOINT).exists()
        read = (None if begun else job.config.start), job.config.teacher
        for origin in read if job.pending else ():
            if origin and origin.run is None and not there(origin):
                found.setdefault(_file(origin), []).append(job)
    return found


def _field(origin: Start, job: Job) -> str:
    """Where a run says an origin."""
    teacher = job.config.teacher
    return "teacher" if teacher and _file(teacher) == origin else "start"


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
            problems.append(f"{labels(whose)}: {_field(start, whose[0])}: {start.origin}: {error}")
            failed += whose
    if problems:
        raise UserError(
            NEXT.join(["nothing was started:", *problems, *without(jobs, failed, only)])
        )


def without(jobs: Sequence[Job], failed: Sequence[Job], only: str | None) -> Iterator[str]:
    """The `only` that also leaves out the variants that lack something, and those that rest on
    them; nothing where none would be left."""
    lacking = dict.fromkeys(job.variant.label for job in failed)
    label_of = {job.folder: job.variant.label for job in jobs}
    for job in jobs:  # none comes before those that it rests on
        if any(label_of.get(parent) in lacking for parent in job.parents):
            lacking[job.variant.label] = None
    asked = dict.fromkeys(job.variant.label for job in jobs if not job.is_origin)
    if kept := [label for label in asked if label not in lacking]:
        yield f"without these: ONLY={shlex.quote(printable(excluding(only, [*lacking], kept)))}"


def labels(jobs: Sequence[Job]) -> str:
    """The variants of some runs, for a line."""
    return listed({job.variant.label for job in jobs}, 3)


def to_fetch(wanted: Needed) -> Iterator[str]:
    """A line for each file that would be fetched: from where, to where, how much, about."""
    for start, whose in wanted.items():
        known = published_file(start)
        if known is None:
            field = _field(start, whose[0])
            yield f"{labels(whose)}: {field}: there is no {start.file}, and it cannot be fetched"
            continue
        expected = known.size or 4 * whose[0].variant.params
        about = "" if known.size else "about "
        unchecked = "" if known.digest else "; its SHA-256 is not known before, start.json has it"
        yield (
            f"would fetch {known.name} ({about}{size(expected)}) for {labels(whose)}: "
            f"{known.url} → {weights_root() / known.file}{unchecked}"
        )
