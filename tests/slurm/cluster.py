"""A real SLURM of two nodes, both this machine, from Debian's packages: its daemons listen on the
loopback address alone, keep everything in a folder of the tests, and end with them.

The configuration is one that works in a container without cgroups. `low` is the default partition,
of one node; a job of `high` preempts what runs there: SIGTERM, ten seconds of grace, back into the
queue. `both` has the two nodes.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.conftest import missing

from reslab.processes import die_with_parent

DAEMONS = ("slurmctld", "slurmd", "munged")
CLIENTS = ("sbatch", "srun", "scancel", "squeue", "scontrol")
PACKAGES = "slurmctld slurmd slurm-client munge"
CORES = 4
"""That a node says it has, however many there are."""
OTHER = "127.0.0.2"
"""The second node, by a name that everybody resolves. It is declared first: where SLURM knows one
node, which is `localhost`, it takes any name for that."""

CONFIGURATION = """\
ClusterName=reslab
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
NodeName={other} NodeAddr=127.0.0.1 Port={others_port} CPUs={cores} State=UNKNOWN
NodeName=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cores} State=UNKNOWN
PartitionName=low Nodes=localhost Default=YES PriorityTier=1 GraceTime=10
PartitionName=high Nodes=localhost PriorityTier=10
PartitionName=both Nodes=ALL PriorityTier=1 GraceTime=10
"""


def free_port() -> int:
    """One that nobody listens at now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], what: str, patience: float = 60) -> None:
    """Look five times a second; fail where it never comes."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.2)


class Cluster:
    """The daemons, and what a login node's shell says to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Until its nodes are idle."""
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o700)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                user=pwd.getpwuid(os.getuid()).pw_name,
                controller=free_port(),
                port=free_port(),
                other=OTHER,
                others_port=free_port(),
                cores=CORES,
            )
        )
        own = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        paths = [f"--{word}={self.folder / 'munge' / name}" for word, name in own.items()]
        self._daemon("munged", "--foreground", "--force", *paths)
        wait_until((self.folder / "munge" / "socket").exists, "munged's socket")
        self._daemon("slurmctld", "-D")
        self._daemon("slurmd", "-D", "-N", "localhost")
        self._daemon("slurmd", "-D", "-N", OTHER, called="slurmd of the other")
        wait_until(lambda: self.ask("sinfo", "-h", "-p", "both", "-o", "%T") == "idle", self.log())

    def _daemon(self, name: str, *arguments: str, called: str | None = None) -> None:
        path = f"/usr/sbin{os.pathsep}{os.environ['PATH']}"
        with (self.folder / f"{called or name}.log").open("ab") as log:
            self.daemons[called or name] = subprocess.Popen(
                [str(shutil.which(name, path=path)), *arguments],
                env={"PATH": path, "SLURM_CONF": str(self.configuration)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )

    def restart_controller(self) -> None:
        """It ends, and comes back with what it has saved."""
        self.daemons["slurmctld"].terminate()
        self.daemons["slurmctld"].wait(20)
        self._daemon("slurmctld", "-D")
        wait_until(lambda: self.ask("sinfo", "-h"), "the controller is back")

    def lose_node(self) -> None:
        """The node is gone as without power: its daemon, its steps, and what these have started.
        After SlurmdTimeout (five minutes) the controller gives it up, as it is told here to do."""
        daemon = self.daemons.pop("slurmd")
        daemon.kill()
        daemon.wait()
        for process, environment in self._processes():
            if _name(process) == "slurmstepd" or b"\0SLURM_JOB_ID=" in environment:
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
        self.ask("scontrol", "update", "NodeName=localhost", "State=DOWN", "Reason=lost")

    def bring_node_back(self) -> None:
        """As it was."""
        self._daemon("slurmd", "-D", "-N", "localhost")
        wait_until(lambda: self.ask("sinfo", "-h", "-p", "low", "-o", "%T") == "idle", self.log())

    def _processes(self) -> Iterator[tuple[int, bytes]]:
        """Those that were started with its configuration, and their environments."""
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                words = b"\0" + environment.read_bytes()
                if f"\0SLURM_CONF={self.configuration}\0".encode() in words:
                    yield int(environment.parent.name), words

    def ask(self, *command: str) -> str:
        """What a client of SLURM's answers, stripped; nothing where it fails."""
        path = f"/usr/bin{os.pathsep}{os.environ['PATH']}"
        answer = subprocess.run(
            [str(shutil.which(command[0], path=path)), *command[1:]],
            env={**os.environ, "PATH": path, "SLURM_CONF": str(self.configuration)},
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.strip()

    def queue(self) -> dict[str, str]:
        """The state of every job and task that is there, by its id."""
        lines = self.ask("squeue", "-h", "-r", "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def empty(self) -> None:
        """No job is left."""
        self.ask("scancel", *self.queue())
        wait_until(lambda: not self.queue(), "an empty queue")

    def log(self) -> str:
        """The last lines of what the daemons said."""
        texts = (f"{file.name}:\n{file.read_text()[-2000:]}" for file in self.folder.glob("*.log"))
        return "\n".join(texts)

    def stop(self) -> None:
        """Nothing is left of it: steps are no children of the daemons, and are found by the
        configuration that they were started with."""
        if "slurmd" in self.daemons:
            self.empty()
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(20)
        for process, _ in self._processes():
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)


def _name(process: int) -> str:
    """Which program it runs; empty where it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def lacking() -> list[str]:
    """Which of SLURM's programs are not installed."""
    path = f"/usr/sbin{os.pathsep}{os.environ['PATH']}"
    return [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=path) is None]


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    """One for all tests. Its folder has a short name, since that of a socket has 107 letters."""
    if sys.platform != "linux" or lacking():
        missing(f"no SLURM here: {', '.join(lacking())} not found (Debian: {PACKAGES})")
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp") as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A SLURM with an empty queue; the test and what it starts find its clients on their PATH."""
    monkeypatch.setenv("SLURM_CONF", str(running_cluster.configuration))
    monkeypatch.setenv("PATH", "/usr/bin", prepend=os.pathsep)
    yield running_cluster
    running_cluster.empty()
