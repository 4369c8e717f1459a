"""What is done to runs, ranks, launchers, the disk and W&B's server, drawn from a seed."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.lanes import Lane, Process, processes

from reslab import store

DELAY = 3.6
"""Seconds between two disturbances, on average."""

WEIGHTS = {
    "run": 8.0,
    "rank": 3.0,
    "launcher": 3.0,
    "stopped and killed": 2.0,
    "stopped for a while": 2.0,
    "full disk": 0.4,
    "silent server": 0.4,
}
"""How often each is drawn, where it can be done."""

LAST_STEP = 35
"""A run that is yet to be killed after its first step is killed at one up to this: before its first
checkpoint or after it."""


@dataclass
class Chaos:
    """Disturbs lanes, and keeps account of it. What lasts a while is undone by `undo`."""

    seed: int
    disk: Path | None
    """A file system of its own that can be filled, if there is one."""
    silence: Callable[[bool], None]
    """Lets W&B's server be silent, or speak again."""
    counts: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    """By run."""
    struck: set[str] = field(default_factory=set)
    """Runs that were killed after their first step."""
    undoing: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    """What ends when."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.next = time.monotonic() + self._pause()
        self.target: dict[str, int] = {}

    def _pause(self) -> float:
        return self.draw.expovariate(1 / DELAY)

    def step(self, lanes: list[Lane]) -> None:
        """Kill what is due, and disturb something if its time has come."""
        alive = processes()
        for process in alive:
            if process.leads and self._is_due(process):
                self._kill("run", process, alive)
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + self._pause()
            self._disturb(alive, lanes)

    def _is_due(self, process: Process) -> bool:
        """Whether the run has come to the step at which it is to be killed."""
        name = run_name(process)
        if name in self.struck:
            return False
        at = self.target.setdefault(name, self.draw.randint(1, LAST_STEP))
        return process.run is not None and store.last_step(process.run) >= at

    def _disturb(self, alive: list[Process], lanes: list[Lane]) -> None:
        kinds = {
            "run": [p for p in alive if p.leads],
            "rank": [p for p in alive if p.run and not p.leads],
            "launcher": [p for p in alive if p.is_launcher],
        }
        victims = [p for p in alive if p.run or p.is_launcher]
        can = {**kinds, "stopped and killed": victims, "stopped for a while": victims}
        can["full disk"] = victims if self.disk else []
        can["silent server"] = [p for p in victims if any(_tracks(p, lane) for lane in lanes)]
        words = [word for word, those in can.items() if those]
        if not words:
            return
        (word,) = self.draw.choices(words, [WEIGHTS[w] for w in words])
        victim = self.draw.choice(sorted(can[word], key=lambda p: p.pid))
        if word == "full disk":
            self._fill()
        elif word == "silent server":
            self._hush()
        elif word.startswith("stopped"):
            self._stop(victim, kills=word == "stopped and killed")
        else:
            self._kill(word, victim, alive)

    def _kill(self, word: str, victim: Process, alive: list[Process]) -> None:
        """Kill it; a launcher takes its run along, and a rank the others."""
        hit = [victim] if victim.run else [p for p in alive if p.token == victim.token and p.leads]
        steps = {run_name(p): store.last_step(p.run) for p in hit if p.run}
        if victim.send(signal.SIGKILL):
            self.counts[word] += 1
            self.kills.update(list(steps))
            self.struck |= {name for name, step in steps.items() if step > 0}

    def _stop(self, victim: Process, kills: bool) -> None:
        seconds = self.draw.uniform(0.5, 4)
        if not victim.send(signal.SIGSTOP):
            return
        word = "launcher" if victim.is_launcher else "run" if victim.leads else "rank"
        if kills:
            end = lambda: self._kill(f"{word}, stopped before", victim, processes())  # noqa: E731
        else:
            self.counts[f"{word} stopped for a while"] += 1
            end = lambda: victim.send(signal.SIGCONT)  # noqa: E731
        self.undoing.append((time.monotonic() + seconds, end))

    def _fill(self) -> None:
        """Leave no room on the disk for some seconds."""
        assert self.disk is not None
        filler = self.disk / "filler"
        if filler.exists():
            return
        self.counts["full disk"] += 1
        with filler.open("wb") as file:
            while free := shutil.disk_usage(self.disk).free:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                except OSError:  # somebody was faster
                    continue
        seconds = self.draw.uniform(2, 5)
        self.undoing.append((time.monotonic() + seconds, lambda: filler.unlink(missing_ok=True)))

    def _hush(self) -> None:
        self.counts["silent server"] += 1
        self.silence(True)
        until = time.monotonic() + self.draw.uniform(5, 20)
        self.undoing.append((until, lambda: self.silence(False)))

    def undo(self, everything: bool = False) -> None:
        """End what has lasted long enough."""
        due = [entry for entry in self.undoing if everything or entry[0] <= time.monotonic()]
        self.undoing = [entry for entry in self.undoing if entry not in due]
        for _, end in due:
            end()


def run_name(process: Process) -> str:
    """`dropout/resnet8-w8-s0-0123456789`: which run a process trains."""
    assert process.run is not None
    return f"{process.token.rpartition('-')[0]}/{process.run.name}"


def _tracks(process: Process, lane: Lane) -> bool:
    return lane.kind.tracked and process.token == lane.token
