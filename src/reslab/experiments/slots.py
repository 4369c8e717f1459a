"""Where runs go: as many at once as there are GPUs, else CPU cores, each with its share.

Two processes that each take all cores are several times slower than two that share them.
"""

from dataclasses import dataclass

from reslab.errors import UserError
from reslab.execution import Execution, gpus_for
from reslab.machine import available_cores


@dataclass(frozen=True)
class Slot:
    """The devices, the CPU threads per process and the processes of one run at a time."""

    gpus: tuple[str, ...]
    threads: int
    processes: int = 1

    @property
    def cores(self) -> int:
        """CPU cores that a run has for all its processes."""
        return self.threads * self.processes

    @property
    def device(self) -> str:
        """gpu or cpu."""
        return "gpu" if self.gpus else "cpu"


def make_slots(pending: int, execution: Execution, per_gpu: int = 1) -> list[Slot]:
    """Slots for `pending` runs that are executed so, `per_gpu` of them on the same GPUs.

    `UserError` for more devices than there are, and for what only GPUs can do.
    """
    devices, cores = execution.devices, available_cores()
    gpus = gpus_for(devices)
    if per_gpu < 1:
        raise UserError(f"SLOTS_PER_GPU={per_gpu}; expected a whole number, 1 or more")
    if not gpus:
        if per_gpu > 1:
            raise UserError(f"SLOTS_PER_GPU={per_gpu}, but this machine has no GPU")
        if execution.sync_batchnorm:
            raise UserError("SYNC_BATCHNORM=1 needs GPUs: torch's SyncBatchNorm has no CPU form")
        count = max(1, min(cores // devices, pending))
        return [Slot((), max(1, cores // (count * devices)), devices)] * count
    groups = [tuple(gpus[i : i + devices]) for i in range(0, len(gpus) - devices + 1, devices)]
    groups = (groups * per_gpu)[: max(1, pending)]
    threads = max(1, cores // (len(groups) * devices))
    return [Slot(group, threads, devices) for group in groups]
