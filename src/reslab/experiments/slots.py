"""Where runs go: as many at once as there are GPUs, else CPU cores, each with its share.

Two processes that each take all cores are several times slower than two that share them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reslab.errors import UserError
from reslab.execution import Execution, gpus_for
from reslab.experiments.cards import Card
from reslab.machine import available_cores, gpu, is_shared_by_mps, processor_name


@dataclass(frozen=True)
class Slot:
    """The devices, the CPU threads per process and the processes of one run at a time."""

    gpus: tuple[str, ...]
    threads: int
    processes: int = 1
    name: str = ""
    """What its GPUs, or the processor, are called."""
    runs: int = 1
    """Runs that are on the same GPUs at a time."""
    mps: bool = False
    """Whether NVIDIA's Multi-Process Service runs: processes' kernels are on a GPU side by side."""

    @property
    def cores(self) -> int:
        """CPU cores that a run has for all its processes."""
        return self.threads * self.processes

    @property
    def device(self) -> str:
        """gpu or cpu."""
        return "gpu" if self.gpus else "cpu"


def make_slots(
    pending: int, execution: Execution, per_gpu: int = 1, card: Card | None = None
) -> list[Slot]:
    """Slots for `pending` runs that are executed so, `per_gpu` of them on the same GPUs.

    With a card they are those of a machine with as many of it as a run takes. `UserError` for more
    devices than there are, and for what only GPUs can do.
    """
    if per_gpu < 1:
        raise UserError(f"SLOTS_PER_GPU={per_gpu}; expected a whole number, 1 or more")
    if card is not None:
        gpus = tuple(map(str, range(execution.devices)))
        count = min(per_gpu, max(1, pending))
        return [Slot(gpus, 1, execution.devices, card.called, count)] * count
    gpus = tuple(gpus_for(execution.devices))
    if gpus:
        return _on_gpus(gpus, pending, execution.devices, per_gpu)
    if per_gpu > 1:
        raise UserError(f"SLOTS_PER_GPU={per_gpu}, but this machine has no GPU")
    if execution.sync_batchnorm:
        raise UserError("SYNC_BATCHNORM=1 needs GPUs: torch's SyncBatchNorm has no CPU form")
    return _on_cores(pending, execution.devices)


def _on_cores(pending: int, devices: int) -> list[Slot]:
    cores = available_cores()
    count = max(1, min(cores // devices, pending))
    threads = max(1, cores // (count * devices))
    return [Slot((), threads, devices, processor_name())] * count


def _on_gpus(gpus: tuple[str, ...], pending: int, devices: int, per_gpu: int) -> list[Slot]:
    groups = [gpus[i : i + devices] for i in range(0, len(gpus) - devices + 1, devices)]
    dealt = (groups * per_gpu)[: max(1, pending)]
    threads = max(1, available_cores() // (len(dealt) * devices))
    told = gpu(gpus[0])
    name, mps = told.name if told else "", is_shared_by_mps()
    return [Slot(each, threads, devices, name, dealt.count(each), mps) for each in dealt]


def slot_of(start: Mapping[str, Any], mps: bool = False) -> Slot:
    """Where a run was trained, as its `env.json` tells of a start."""
    kind, _, name = start["device"].partition(" (")
    threads, devices = start.get("threads") or 1, start.get("devices") or 1
    if kind == "cpu":
        return Slot((), threads, devices, start.get("processor") or "")
    gpus, runs = tuple(map(str, range(devices))), start.get("runs_per_gpu") or 1
    return Slot(gpus, threads, devices, name.removesuffix(")"), runs, mps)
