"""Progress of a whole experiment, read from its runs' files."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from reslab.errors import enumerated
from reslab.experiments.jobs import Job
from reslab.experiments.slots import Slot
from reslab.text import duration

EVERY = 55.0
"""Seconds after which a line is due where there is no bar."""
SHARE = 0.05
"""Of the time, for which runs' files are looked at, at most: on a network's file system hundreds of
them take seconds."""
MOST = 4
"""Runs that such a line names."""
WAITING = "waiting for runs of another launcher"


class Overview:
    """Progress of the whole experiment: a bar on a terminal; otherwise a line per finished run, and
    one at least every minute."""

    def __init__(self, jobs: list[Job], slot: Slot) -> None:
        self.costs = {job: job.work.seconds(slot) for job in jobs}
        self.finished = sum(not job.pending for job in jobs)
        self.fractions = {job: job.fraction() for job in jobs}
        self.began, self.looked, self.took = time.monotonic(), 0.0, 0.0
        self.told = self.began
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
        """Look at the runs' metrics once a second, or as seldom as that has to be."""
        if time.monotonic() - self.looked < max(1, self.took / SHARE):
            return
        self.looked = time.monotonic()
        self.fractions |= {job: job.fraction() for job in running}
        self.took = time.monotonic() - self.looked
        self.bar.n = self._done()
        words = [f"{job.folder.name} {self.fractions[job]:.0%}" for job in running]
        text = WAITING if waiting else ", ".join(words)
        self.bar.set_postfix_str(text)
        if self.bar.disable and self.looked - self.told >= EVERY:
            self._write(WAITING if waiting else f"running: {enumerated(words, MOST)}", self.looked)

    def say(self, line: str) -> None:
        """Report a run that has ended."""
        self.finished += 1
        self.fractions = {job: job.fraction() for job in self.costs}
        self._write(line, time.monotonic())

    def _write(self, line: str, now: float) -> None:
        """A line with how many runs are final, and how much time is left as far as it is known."""
        self.told = now
        gained, elapsed = self._done() - self.first, now - self.began
        left = f", about {duration(elapsed * (1 - self._done()) / gained)} left" if gained else ""
        self.bar.write(f"[{self.finished}/{len(self.costs)}{left}] {line}")
        sys.stdout.flush()
