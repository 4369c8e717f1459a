"""What is counted while a net is trained and evaluated: a torchmetrics metric of plain sums."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True)
class Score:
    """Counts over a set of examples."""

    examples: int
    wrong: int
    loss: float
    """Mean cross-entropy, in nats."""

    @property
    def top1_error(self) -> float:
        """Per cent of the examples whose most probable class is not their target."""
        return 100 * self.wrong / self.examples

    def as_dict(self) -> dict[str, Any]:
        """For `result.json`."""
        return {**vars(self), "top1_error": self.top1_error}


class Tally(Metric):
    """Sums of examples, wrong ones and losses; on the device, over processes when read.

    Kept on the device until it is read: reading a number in every step would make the device wait.
    """

    full_state_update = False
    examples: Tensor
    wrong: Tensor
    loss: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, zero in (("examples", 0), ("wrong", 0), ("loss", 0.0)):
            self.add_state(name, torch.tensor(zero), dist_reduce_fx="sum")

    def update(self, logits: Tensor, targets: Tensor, mean_loss: Tensor) -> None:
        """Count a batch: logits (N, classes), targets (N,), its mean loss ()."""
        self.examples += len(targets)
        self.wrong += (logits.detach().argmax(1) != targets).sum()
        self.loss += mean_loss.detach().float() * len(targets)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three sums, over all processes."""
        return self.examples, self.wrong, self.loss

    def score(self) -> Score:
        """Everything counted since the last reset, over all processes."""
        examples, wrong, loss = self.compute()
        return Score(int(examples), int(wrong), float(loss) / int(examples))

    def sums(self) -> dict[str, int | float]:
        """The sums as plain numbers, for a checkpoint between two rows of metrics."""
        return {name: getattr(self, name).item() for name in ("examples", "wrong", "loss")}

    def restore(self, sums: dict[str, int | float]) -> None:
        """Continue from the sums of a checkpoint."""
        for name, value in sums.items():
            getattr(self, name).fill_(value)
        self._update_count += 1
