"""The soak: results that nobody disturbs, then the same runs under chaos, then the account.

Lanes are disturbed as long as there is time; one whose runs are final is compared with the
undisturbed one, emptied, and begun again. When time is up all go on to their end in peace.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from tests.soak.chaos import Chaos
from tests.soak.compare import differences, left_over
from tests.soak.kinds import Kind, kinds, make_photographs
from tests.soak.lanes import REPOSITORY, Lane, processes
from tests.wandb_server import Server, wandb_server

from reslab.machine import available_cores

AT_ONCE = 3
"""Lanes under way, per core: something is always about to take its first step."""

PAUSE = 1.0
"""Seconds between two launches of a lane."""

HANGS = 300.0
"""Seconds after which a launcher of a few tiny runs is said to hang."""

OUTLIVES = 20.0
"""Seconds that what a launcher has started may be there after it has ended."""

GROWTH = 8_000_000
"""Bytes that a launcher may grow by from its first run to its last; of handles none."""

LOOKS = 5
"""With a run, before they count."""

Say = Callable[[str], None]


@dataclass
class Account:
    """What went wrong, and how often what was right was seen."""

    rounds: dict[str, int] = field(default_factory=dict)
    """Results that were equal, by kind."""
    unequal: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Files and processes that should not be there, launchers that hang or have grown."""
    weighed: int = 0
    """Launchers that were seen with more than one run."""
    memory: int = 0
    handles: int = 0
    """The most that a launcher has grown by."""


@dataclass
class Soak:
    """One soak in `folder`, which may be a disk of its own that can be filled."""

    folder: Path
    server: Server
    chaos: Chaos
    lanes: dict[str, Lane]
    undisturbed: dict[str, Lane]
    say: Say
    account: Account = field(default_factory=Account)
    ended: dict[str, float] = field(default_factory=dict)
    """When launches ended whose processes may still be there."""

    @property
    def at_once(self) -> int:
        """Lanes under way."""
        return min(AT_ONCE * available_cores(), len(self.lanes))

    def make_undisturbed(self) -> None:
        """The results that all others are compared with."""
        waiting, active = list(self.undisturbed.values()), list[Lane]()
        while waiting or active:
            while waiting and len(active) < self.at_once:
                active.append(waiting.pop())
                active[-1].launch()
            time.sleep(0.2)
            for lane in [lane for lane in active if not lane.is_busy]:
                active.remove(lane)
                if not lane.is_done:
                    raise RuntimeError(f"{lane.kind.name} undisturbed: {lane.output.read_text()}")

    def disturb(self, seconds: float) -> None:
        """Chaos for so long, then peace until all runs are final."""
        until, active, queue = time.monotonic() + seconds, list[Lane](), cycle(self.lanes.values())
        told = time.monotonic()
        while (left := until - time.monotonic()) > 0 or active:
            while left > 0 and len(active) < self.at_once:
                active.append(next(lane for lane in queue if lane not in active))
            self.chaos.undo(everything=left <= 0)
            if left > 0:
                self.chaos.step(active)
            for lane in list(active):
                if self._tend(lane):
                    active.remove(lane)
            self._look_for_processes()
            if time.monotonic() - told > 30:
                told = time.monotonic()
                self.say(f"{max(0, left):.0f} s left, {sum(self.chaos.counts.values())} disturbed")
            time.sleep(0.1)

    def _tend(self, lane: Lane) -> bool:
        """Whether the lane's runs are final and compared; else it is launched where it must be."""
        if lane.is_busy:
            lane.look()
            if time.time() - lane.began > HANGS:
                self.account.left.append(f"{lane.token}: its launcher hangs")
                lane.kill()
            return False
        if lane.token:
            self._weigh(lane)
            self.ended[lane.token], lane.token = time.monotonic(), ""
        if lane.is_done:
            self._compare(lane)
            return True
        if time.time() - lane.began > PAUSE:
            lane.launch()
        return False

    def _weigh(self, lane: Lane) -> None:
        """How much the launcher that has ended had grown from its first run to its last."""
        seen = [usage for usage in lane.usages.values() if usage.looks >= LOOKS]
        first, *others = seen or [None]
        if first and others:
            self.account.weighed += 1
            memory = others[-1].memory - first.memory
            handles = others[-1].handles - first.handles
            self.account.memory = max(self.account.memory, memory)
            self.account.handles = max(self.account.handles, handles)
            if memory > GROWTH or handles > 0:
                self.account.left.append(f"{lane.token}: +{memory:,} bytes, +{handles} handles")

    def _compare(self, lane: Lane) -> None:
        """With the undisturbed one; what is equal is removed, all else is kept."""
        name = lane.kind.name
        unequal = list(differences(self.undisturbed[name].runs(), lane.runs()))
        left = left_over(lane.folder)
        self.account.unequal += [f"{name}: {line}" for line in unequal]
        self.account.left += [f"{name}: {line}" for line in left]
        if unequal or left:
            number = len(list(lane.folder.parent.glob(f"{name}.kept*")))
            lane.folder.rename(lane.folder.with_name(f"{name}.kept{number}"))
        else:
            self.account.rounds[name] = self.account.rounds.get(name, 0) + 1
            shutil.rmtree(lane.folder)

    def _look_for_processes(self) -> None:
        """Those that outlive their launcher; one that was stopped cannot end."""
        late = {t for t, when in self.ended.items() if time.monotonic() - when > OUTLIVES}
        if late:
            there = [p for p in processes() if p.token in late and not p.stopped]
            self.account.left += [f"{p.token}: process {' '.join(p.command)}" for p in there]
            for token in late:
                del self.ended[token]

    def report(self, seconds: float) -> str:
        """The account, in lines."""
        chaos, account = self.chaos, self.account
        runs = sum(lane.kind.seeds for lane in self.lanes.values())
        per_run = sorted(chaos.kills.values()) or [0]
        kills = {word: n for word, n in chaos.counts.items() if word.partition(",")[0] in KILLED}
        others = {word: n for word, n in chaos.counts.items() if word not in kills}
        equal = sum(n * self.lanes[kind].kind.seeds for kind, n in account.rounds.items())
        spared = runs - len(chaos.kills)
        lines = [
            f"seed {chaos.seed}, {seconds:.0f} s: {runs} runs of {len(self.lanes)} kinds",
            f"{sum(kills.values())} kills: {_listed(kills)}",
            f"beside them: {_listed(others)}",
            f"kills per run: {0 if spared else per_run[0]} to {per_run[-1]}; "
            f"{len(chaos.struck)} of {runs} runs were killed after their first step",
            f"results compared with the undisturbed ones: {equal} equal, "
            f"{len(account.unequal)} unequal; {len(account.left)} left over",
            f"{account.weighed} launchers of several runs grew by at most "
            f"{account.memory / 1e6:.1f} MB and {account.handles} handles",
        ]
        return "\n".join([*lines, *account.unequal, *account.left])

    @property
    def code(self) -> int:
        """1 if anything is unequal or left over."""
        return int(bool(self.account.unequal or self.account.left))


KILLED = ("run", "rank", "launcher")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {word}" for word, n in sorted(counts.items())) or "none"


@contextmanager
def prepared(
    folder: Path, scratch: Path, seed: int, disk: bool, only: tuple[str, ...], say: Say
) -> Iterator[Soak]:
    """A soak in `folder`; what is no run's goes to `scratch`. At the end nothing of it runs."""
    everything = kinds(make_photographs(scratch / "photographs"))
    chosen = [kind for kind in everything if not only or kind.name in only]
    with wandb_server() as server:
        lanes, undisturbed = (
            {kind.name: _lane(folder / where, scratch, server, i, kind) for i, kind in numbered}
            for where in ("disturbed", "undisturbed")
            for numbered in [list(enumerate(chosen))]
        )
        chaos = Chaos(seed, folder if disk else None, server.be_silent)
        soak = Soak(folder, server, chaos, lanes, undisturbed, say)
        try:
            yield soak
        finally:
            server.be_silent(False)
            for lane in (*lanes.values(), *undisturbed.values()):
                lane.kill()


def _lane(folder: Path, scratch: Path, server: Server, number: int, kind: Kind) -> Lane:
    mine = sorted(os.sched_getaffinity(0))
    cores = tuple(mine[(number + i) % len(mine)] for i in range(kind.processes))
    return Lane(kind, folder / kind.name, cores, _environment(scratch, server, kind.tracked))


def _environment(scratch: Path, server: Server, tracked: bool) -> dict[str, str]:
    """Nothing of the user's, and nowhere to write but here."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("RESLAB_", "WANDB_", "OMP_"))}
    wandb = {
        "WANDB_BASE_URL": server.url,
        "WANDB_API_KEY": "0" * 40,
        "WANDB_FINISH_TIMEOUT": "5",
        **{f"WANDB_{word}_DIR": str(scratch / "wandb") for word in ("CACHE", "CONFIG", "DATA")},
    }
    (scratch / "tmp").mkdir(exist_ok=True)
    return {
        **own,
        **(wandb if tracked else {"WANDB_MODE": "disabled"}),
        "CUDA_VISIBLE_DEVICES": "",
        "NETRC": str(scratch / "no-netrc"),
        "PYTHONPATH": str(REPOSITORY / "src"),
        "RESLAB_DATA": str(scratch / "data"),
        "RESLAB_WORKERS": "1",
        "TMPDIR": str(scratch / "tmp"),
    }


def soak(
    folder: Path,
    scratch: Path,
    seconds: float,
    seed: int,
    disk: bool,
    only: tuple[str, ...] = (),
    say: Say = lambda line: print(line, file=sys.stderr, flush=True),
) -> tuple[int, str]:
    """The exit code and the report."""
    with prepared(folder, scratch, seed, disk, only, say) as made:
        began = time.monotonic()
        made.make_undisturbed()
        say(f"undisturbed results: {time.monotonic() - began:.0f} s")
        made.disturb(seconds)
        return made.code, made.report(seconds)
