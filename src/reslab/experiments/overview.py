"""Progress of a whole experiment, read from its runs' files."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from reslab.experiments.jobs import Job
from reslab.experiments.slots import Slot
from reslab.text import duration


class Overview:
    """Progress of the whole experiment: a bar on a terminal, a line per finished run otherwise."""

    def __init__(self, jobs: list[Job], slot: Slot) -> None:
        self.costs = {job: job.seconds(slot) for job in jobs}
        self.finished = sum(not job.pending for job in jobs)
        self.fractions = {job: job.fraction() for job in jobs}
        self.began, self.looked = time.monotonic(), 0.0
        self.first = self._done()
        self.bar = tqdm(
            total=1.0,
            initial=self.first,
            disable=not sys.stderr.isatty(),
            bar_format="{percentage:3.0f} %|{bar}| {elapsed} so far, {remaining} left{postfix}",
            dynamic_ncols=True,
        )

    def __enter__(self) -> "Overview":
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()

    def _done(self) -> float:
        done = sum(self.fractions[job] * cost for job, cost in self.costs.items())
        return done / sum(self.costs.values())

    def show(self, running: Sequence[Job], waiting: bool) -> None:
        """Look at the runs' metrics once a second."""
        if time.monotonic() - self.looked < 1:
            return
        self.looked = time.monotonic()
        self.fractions |= {job: job.fraction() for job in running}
        self.bar.n = self._done()
        words = [f"{job.folder.name} {self.fractions[job]:.0%}" for job in running]
        self.bar.set_postfix_str(
            "waiting for runs of another launcher" if waiting else ", ".join(words)
        )

    def say(self, line: str) -> None:
        """Report a run that has ended."""
        self.finished += 1
        self.fractions = {job: job.fraction() for job in self.costs}
        gained, elapsed = self._done() - self.first, time.monotonic() - self.began
        left = f", about {duration(elapsed * (1 - self._done()) / gained)} left" if gained else ""
        self.bar.write(f"[{self.finished}/{len(self.costs)}{left}] {line}")
        sys.stdout.flush()
