"""A cluster: what `configs/clusters/<name>.yaml` says, and where runs lie there.

It decides no run's result and is no part of a run's description.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from reslab.config.description import Description, NonNegativeInt
from reslab.config.problems import validated
from reslab.config.resolve import config_file
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import spelled
from reslab.errors import UserError
from reslab.execution import Execution

CORES_PER_GPU = 8
LONGEST_WARNING = 65_535
"""Seconds: sbatch's limit of --signal."""
EARLY = 60
"""Seconds by which SLURM may send a signal earlier than it was told to."""


def _whole(unit: str) -> BeforeValidator:
    """Refuses words for numbers (`8:00:00`, `64G`) with what they are numbers of."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"got {spelled(value)}; expected a whole number of {unit}")
        return value

    return BeforeValidator(check)


Minutes = Annotated[PositiveInt, _whole("minutes, for example 480")]
Seconds = Annotated[PositiveInt, _whole("seconds, for example 120")]
Gigabytes = Annotated[PositiveInt, _whole("GB, for example 64")]


def _cores(said: dict[str, Any]) -> int:
    return CORES_PER_GPU * said.get("gpus", 0) or 2


class Cluster(Description):
    """What each run is given of a SLURM cluster, in words of sbatch's."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: Minutes = 1440
    """Minutes until a run is told to save and waits in the queue again."""
    warning: Seconds = 120
    """Seconds before that limit at which it is told, or up to a minute earlier."""
    nodes: PositiveInt = 1
    """Of each run, which has equally many processes on each."""
    gpus: NonNegativeInt = 0
    """Of each run on each of its nodes: as many as it has processes there; 0: on CPUs."""
    cores: PositiveInt = Field(default_factory=_cores)
    """CPUs, as SLURM counts them, of each run on each of its nodes, for all its processes there;
    by default eight for each of its GPUs there, else two."""
    memory: Gigabytes | None = None
    """GB of each run on each of its nodes."""
    at_once: PositiveInt = 50
    """Runs of one array at the same time."""
    setup: tuple[str, ...] = ()
    """Lines of the shell before each run."""
    container: str | None = None
    """What stands before `python` in a job."""
    runs: str | None = None
    """The folder of all experiments, which all nodes see."""
    card: str | None = None
    """Which card its GPUs are, for the estimate."""

    @model_validator(mode="after")
    def _cores_for_all(self) -> Self:
        if self.cores < self.gpus:
            raise ValueError(
                f"cores: got {self.cores}; expected {self.gpus} or more with gpus: {self.gpus}, "
                "one CPU for each process at least"
            )
        return self

    @model_validator(mode="after")
    def _warned_after_it_has_begun(self) -> Self:
        most = min(60 * self.time - EARLY - 1, LONGEST_WARNING)
        if self.warning <= most:
            return self
        if most < 1:
            raise ValueError(f"time: got {self.time}; expected two minutes or more")
        raise ValueError(
            f"warning: got {self.warning}; expected {most} seconds or fewer with time: {self.time} "
            f"(SLURM may warn {EARLY} seconds earlier than it is told to)"
        )

    def tasks_per_node(self, devices: int) -> int:
        """Tasks of a run's job: on one node one, which starts all processes; else each is one."""
        return devices // self.nodes if self.nodes > 1 else 1


def read_cluster(name: str, execution: Execution) -> Cluster:
    """The cluster of `configs/clusters/<name>.yaml`, or of a file `<name>.yaml`, on which runs are
    executed so.

    Where it says where runs lie, this process and those it starts have them there, unless
    RESLAB_RUNS is set. `UserError` for what is wrong in the file, and for as many devices as it
    gives no run.
    """
    own = name.endswith(".yaml")
    file = Path(name) if own else config_file("clusters", name)
    where = name if own else f"configs/clusters/{file.name}"
    cluster = validated(Cluster, load_yaml(file), where)
    _refuse_devices(execution.devices, cluster, where)
    if cluster.runs and not os.environ.get("RESLAB_RUNS"):
        os.environ["RESLAB_RUNS"] = str(Path(cluster.runs).expanduser().absolute())
    return cluster


def _refuse_devices(devices: int, cluster: Cluster, where: str) -> None:
    """`UserError` for more than a run is given, for fewer GPUs, and for unequal shares of nodes."""
    here = cluster.gpus or cluster.cores
    given = here * cluster.nodes
    if devices > given or (cluster.gpus and devices < given) or devices % cluster.nodes:
        word = "gpus" if cluster.gpus else "cores"
        nodes = f" on each of nodes: {cluster.nodes}" if cluster.nodes > 1 else ""
        raise UserError(
            f"DEVICES={devices}, but {where} gives each run {word}: {here}{nodes}; "
            f"expected DEVICES={given}, or another number there"
        )
