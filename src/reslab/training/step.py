"""A training step: a function of its number, which draws its own batch.

Made once per start of a run, called with each number in turn. Nothing in a step waits for the
device, but for the scaler of 16-mixed, which asks whether gradients are finite.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from lightning.pytorch.overrides.distributed import prepare_for_backward
from torch import Tensor, optim
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from reslab.data.batches import TrainingBatch, TrainingBatches

Loss = Callable[..., tuple[Tensor, Tensor]]
"""From the tensors of a batch to its mean loss () and what is counted of it. Whatever else a step
draws has been put where the net reads it, so that the same call can be compiled or captured."""

BatchOf = Callable[[int, int], TrainingBatch]
"""The batch of a step's number and a micro-batch."""


def do_nothing(number: int) -> None:
    """What nobody asks for."""


@dataclass(eq=False)
class TrainingStep:
    """Trains by one optimiser step when it is called with its number, counted from 0."""

    batch: BatchOf
    loss: Loss
    count: Callable[[TrainingBatch, Tensor, Tensor], None]
    """Takes a batch, its loss and what is counted of it; on the device."""
    optimizer: optim.Optimizer
    set_rates: Callable[[int], None]
    draw: Callable[[int, int], None]
    """Decides what the net draws in a micro-batch of a step."""
    micro_batches: int = 1
    context: Callable[[], AbstractContextManager[None]] = nullcontext
    """The forward pass's: autocast."""
    scaler: GradScaler | None = None
    group: DistributedDataParallel | None = None
    """Averages the gradients of several processes."""
    before_update: Callable[[int], None] = do_nothing
    """Sees the gradients, of all processes, before they change a weight."""

    def __call__(self, number: int) -> None:
        self.set_rates(number)
        self.optimizer.zero_grad()
        for micro_batch in range(self.micro_batches):
            batch = self.batch(number, micro_batch)
            self.draw(number, micro_batch)
            with self._among_processes(micro_batch):
                self.forward_backward(batch)
        self._update(number)

    def forward_backward(self, batch: TrainingBatch) -> None:
        """Add the gradients of a micro-batch."""
        with self.context():
            loss, seen = self.loss(*batch)
        self.count(batch, loss, seen)
        if self.micro_batches > 1:
            loss = loss / self.micro_batches
        if self.group is not None:  # its backward averages nothing that it was not told of
            prepare_for_backward(self.group, loss)
        if self.scaler is not None:
            loss = self.scaler.scale(loss)
        loss.backward()  # type: ignore[no-untyped-call]

    def _among_processes(self, micro_batch: int) -> AbstractContextManager[None]:
        """Gradients are averaged once a step, with those of the last micro-batch."""
        last = micro_batch == self.micro_batches - 1
        return nullcontext() if self.group is None or last else self.group.no_sync()

    def _update(self, number: int) -> None:
        if self.scaler is None:
            self.before_update(number)
            self.optimizer.step()
            return
        self.scaler.unscale_(self.optimizer)
        self.before_update(number)
        self.scaler.step(self.optimizer)
        self.scaler.update()


def batches_of(batches: TrainingBatches) -> BatchOf:
    """The batches of a run by their numbers; with workers, which read ahead, only in their order
    from the first one on."""
    if not batches.workers:
        return batches.batch
    ahead = iter(batches)
    return lambda number, micro_batch: next(ahead)
