"""Runs that could not begin with the weights that they start from, all told before any starts.

What fits is seen in tensors, so a process with torch looks (training/rehearsal.py); it is asked
only where runs that have not begun start from weights, or adapt a net that is not ours.
"""

import sys
from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.nets import Opaque
from reslab.errors import NEXT, UserError
from reslab.experiments.fetch import labels, without
from reslab.experiments.jobs import Job
from reslab.processes import NoAnswer, answers


def refuse_unfit(
    jobs: Sequence[Job], only: str | None = None, unread: Collection[Path] = ()
) -> None:
    """`UserError` with the reasons of all variants that could not begin, in the words of their
    runs, and the `ONLY=` that does without. Those whose weights are not there to be looked at are
    left out."""
    asked = to_rehearse(jobs, unread)
    failed: dict[str, list[Job]] = {}
    for job, reason in zip(asked, _reasons(asked, jobs), strict=True):
        if reason is not None:
            failed.setdefault(reason, []).append(job)
    if failed:
        told = (f"{labels(w)}: {reason.replace(chr(10), NEXT)}" for reason, w in failed.items())
        lines = ["nothing was started:", *told, *without(jobs, [*chain(*failed.values())], only)]
        raise UserError(NEXT.join(lines))


def to_rehearse(jobs: Sequence[Job], unread: Collection[Path] = ()) -> list[Job]:
    """The first run of each variant that begins with more than what is known without torch."""
    first: dict[str, Job] = {}
    for job in jobs:
        begun = not job.pending or (job.folder / store.CHECKPOINT).exists()
        if _is_open(job) and not begun and job.state != "blocked" and job.folder not in unread:
            first.setdefault(job.variant.label, job)
    return list(first.values())


def _is_open(job: Job) -> bool:
    config = job.config
    rests = config.start is not None or config.teacher is not None
    return rests or (isinstance(config.model, Opaque) and config.is_adapted)


def _reasons(asked: Sequence[Job], jobs: Sequence[Job]) -> list[str | None]:
    if not asked:
        return []
    of_folder = {job.folder: job for job in jobs}
    rows = []
    for job in asked:
        parents = {n: of_folder[path] for n, path in job.rests.items() if path in of_folder}
        waits = {n: _row(parent) for n, parent in parents.items() if parent.state != "done"}
        rows.append({**_row(job), **waits})
    try:
        return answers("reslab.training.rehearsal", rows)
    except NoAnswer as error:
        print(f"warning: whether weights fit was not seen before: {error}", file=sys.stderr)
        return [None] * len(asked)


def _row(job: Job) -> dict[str, Any]:
    return {"config": job.config.model_dump(mode="json"), "folder": str(job.folder)}
