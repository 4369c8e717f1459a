"""A lane: one kind's runs in a folder of their own, and the launchers that train them, one after
another, until all runs are final.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.soak.kinds import Kind

from reslab import store

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "RESLAB_SOAK"
"""In the environment of a launcher and of all that descends from it: which launch it was."""

launches = count()


@dataclass(frozen=True)
class Process:
    """One of a launch's processes, as /proc has it."""

    pid: int
    parent: int
    token: str
    command: tuple[str, ...]
    stopped: bool

    @property
    def is_launcher(self) -> bool:
        """scripts/experiment.py."""
        return any(word.endswith("scripts/experiment.py") for word in self.command)

    @property
    def run(self) -> Path | None:
        """The folder of the run that it trains, or helps to train."""
        configs = [word for word in self.command if word.endswith(f"/{store.CONFIG}")]
        return Path(configs[0]).parent if configs else None

    @property
    def leads(self) -> bool:
        """Whether it is the process of a run that the launcher has started."""
        return self.run is not None and "--follow-launcher" in self.command

    def send(self, number: int) -> bool:
        """Send a signal; whether there was anyone to get it."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def processes(token: str = "") -> list[Process]:
    """Every process of this soak's launches, or of one of them; without zombies."""
    return list(_processes(f"{TOKEN}={token}".encode()))


def _processes(mark: bytes) -> Iterator[Process]:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "environ").read_bytes().split(b"\0")
            found = next((word for word in words if word.startswith(mark)), None)
            if found is None or int(path.name) == os.getpid():
                continue
            stat = (path / "stat").read_text().rpartition(")")[2].split()
            command = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if stat[0] not in "ZX":
                token = found.decode().partition("=")[2]
                pid, parent, stopped = int(path.name), int(stat[1]), stat[0] in "Tt"
                yield Process(pid, parent, token, tuple(command), stopped)


@dataclass
class Usage:
    """What a launcher holds while one of its runs trains: resident bytes and open files.

    The least of several looks: while it starts a process it has some pipes more for a moment.
    """

    memory: int
    handles: int
    looks: int = 1

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """`OSError` where it has ended."""
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGESIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir())))

    def least(self, other: "Usage") -> "Usage":
        """Of both looks."""
        looks = self.looks + other.looks
        return Usage(min(self.memory, other.memory), min(self.handles, other.handles), looks)


@dataclass
class Lane:
    """One kind in a folder of its own."""

    kind: Kind
    folder: Path
    cores: tuple[int, ...]
    """Which its launchers have: as many as a run of the kind has processes."""
    environment: Mapping[str, str]
    launcher: subprocess.Popen[bytes] | None = None
    token: str = ""
    began: float = 0.0
    usages: dict[Path, Usage] = field(default_factory=dict)
    """Of the launcher under way, with each of its runs."""

    @property
    def output(self) -> Path:
        """What the launchers print."""
        return self.folder.with_name(f"{self.folder.name}.txt")

    def runs(self) -> list[Path]:
        """The folders of its runs that there are."""
        return sorted(path.parent for path in self.folder.glob(f"*/*/{store.CONFIG}"))

    @property
    def is_done(self) -> bool:
        """Whether all its runs are final, and no launcher is there any more."""
        runs = self.runs()
        final = len(runs) == self.kind.seeds and all(store.state(r) in store.FINAL for r in runs)
        return final and not self.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether a launcher is under way."""
        return self.launcher is not None and self.launcher.poll() is None

    def launch(self) -> None:
        """Start a launcher; the same command goes on where it was stopped."""
        self.token, self.began, self.usages = f"{self.kind.name}-{next(launches)}", time.time(), {}
        script = str(REPOSITORY / "scripts" / "experiment.py")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self.launcher = subprocess.Popen(
                [sys.executable, script, *self.kind.arguments()],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, TOKEN: self.token, "RESLAB_RUNS": str(self.folder)},
                preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
            )

    def look(self) -> None:
        """Measure the launcher."""
        if not self.is_busy:
            return
        for run in [p.run for p in processes(self.token) if p.leads and p.run]:
            with suppress(OSError):
                now = Usage.of(self.launcher.pid)
                self.usages[run] = self.usages[run].least(now) if run in self.usages else now

    def kill(self) -> None:
        """End the launcher and what it has started."""
        for process in processes(self.token):
            process.send(signal.SIGKILL)
        if self.launcher is not None:
            self.launcher.wait()
