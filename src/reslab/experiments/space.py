"""What runs need of disks: photographs that are there, and room for what they will write."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from reslab import store
from reslab.config.data import facts_of
from reslab.config.photographs import refuse_missing
from reslab.config.run import RunConfig
from reslab.errors import UserError, located
from reslab.experiments.jobs import Job
from reslab.text import size

COPIES = {"sgd": 2, "adam": 3, "adamw": 3, "lamb": 3}
"""Numbers per weight in a checkpoint: itself, and what the optimiser keeps of it."""

OTHER = 2_000_000
"""Bytes of a run's other files: 400 rows, its log, W&B's, and running statistics of its norms."""


def checkpoint_bytes(config: RunConfig, params: int) -> int:
    """The size of `last.ckpt`, about."""
    width = 8 if config.precision == "64-true" else 4
    return COPIES[config.recipe.optimizer.name] * width * params


def needed(jobs: Sequence[Job], at_once: int) -> int:
    """Bytes that the runs will yet write: a checkpoint each, and the next of those under way."""
    sizes = [checkpoint_bytes(job.config, job.variant.params) for job in jobs]
    fresh = [
        own + OTHER
        for job, own in zip(jobs, sizes, strict=True)
        if not (job.folder / store.CHECKPOINT).exists()
    ]
    return sum(fresh) + sum(sorted(sizes)[-at_once:])


def lacking(jobs: Sequence[Job], at_once: int) -> str:
    """What the disk of `runs/` has no room for; empty where it has."""
    folder = _existing(store.runs_root().absolute())
    free, wanted = shutil.disk_usage(folder).free, needed(jobs, at_once)
    if free >= wanted:
        return ""
    runs = "the run" if len(jobs) == 1 else f"the {len(jobs):,} runs"
    return (
        f"the disk of {folder} has {size(free)} left, and {runs} will write up to "
        f"{size(wanted)}: make room, or say RESLAB_RUNS=FOLDER for another disk"
    )


def refuse_unready(jobs: Sequence[Job], at_once: int) -> None:
    """`UserError`, before anything is written, for photographs that are missing (none are
    downloaded), and where the disk has no room for what the runs will write."""
    for label, data in {job.variant.label: job.config.data for job in jobs}.items():
        if facts_of(data).photographs:
            with located(label):
                refuse_missing(data)
    if shortage := lacking([job for job in jobs if job.pending], at_once):
        raise UserError(f"nothing was started: {shortage}")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())
