"""What is counted while a net is trained and evaluated: a torchmetrics metric of plain sums."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import Metric


@dataclass(frozen=True)
class Score:
    """Counts over a set of examples."""

    examples: int
    wrong: int
    loss: float
    """Mean cross-entropy, in nats."""
    wrong5: int | None = None
    """Examples whose target is not among the five most probable classes; None: not counted."""

    @property
    def top1_error(self) -> float:
        """Per cent of the examples whose most probable class is not their target."""
        return 100 * self.wrong / self.examples

    @property
    def top5_error(self) -> float | None:
        """Per cent of the examples that `wrong5` counts."""
        return None if self.wrong5 is None else 100 * self.wrong5 / self.examples

    def training_row(self) -> dict[str, float]:
        """For `metrics.jsonl`."""
        return {"train_loss": self.loss, "train_top1_error": self.top1_error}

    def as_dict(self) -> dict[str, Any]:
        """For `result.json`; without what was not counted."""
        numbers = {**vars(self), "top1_error": self.top1_error, "top5_error": self.top5_error}
        return {name: number for name, number in numbers.items() if number is not None}


@dataclass(frozen=True)
class ViewsScore:
    """Sums over images of which two views were seen, without their labels."""

    examples: int
    loss: float
    """Mean over the images."""
    spread: float
    """The collapse metric of methods/simsiam.py, mean over the images' batches."""

    def training_row(self) -> dict[str, float]:
        """For `metrics.jsonl`."""
        return {"train_loss": self.loss, "train_spread": self.spread}


class Sums(Metric):
    """Sums by name; on the device, over processes when read.

    Kept on the device until it is read: reading a number in every step would make the device wait.
    An `update`, in which torchmetrics computes no gradients, adds in place: to set a module's
    attribute takes as long as to add.
    """

    full_state_update = False

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        for name in names:
            zero = torch.tensor(0.0 if name in ("loss", "spread") else 0)
            self.add_state(name, zero, dist_reduce_fx="sum")

    def compute(self) -> tuple[Tensor, ...]:
        """The sums of `names`, over all processes."""
        return tuple(getattr(self, name) for name in self.names)

    def score(self) -> "Score | ViewsScore":
        """Everything added since the last reset, over all processes."""
        raise NotImplementedError

    def sums(self) -> dict[str, int | float]:
        """The sums over all processes as plain numbers, for a checkpoint between two rows."""
        if not self.update_called:
            return dict.fromkeys(self.names, 0)
        values = self.compute()
        return {name: value.item() for name, value in zip(self.names, values, strict=True)}

    def restore(self, sums: dict[str, int | float]) -> None:
        """Continue from the sums of a checkpoint."""
        for name, value in sums.items():
            getattr(self, name).fill_(value)
        self._update_count += 1


class ViewsTally(Sums):
    """Sums of images seen in two views, of losses and of spreads."""

    examples: Tensor
    loss: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__(("examples", "loss", "spread"))

    def update(self, examples: int, mean_loss: Tensor, spread: Tensor) -> None:
        """Add a batch of so many images, its mean loss () and its spread ()."""
        self.examples.add_(examples)
        self.loss.add_(mean_loss.float() * examples)
        self.spread.add_(spread.float() * examples)

    def score(self) -> ViewsScore:
        """Everything added since the last reset, over all processes."""
        examples, loss, spread = self.compute()
        return ViewsScore(int(examples), float(loss) / int(examples), float(spread) / int(examples))


class Tally(Sums):
    """Sums of examples, wrong ones and losses.

    With `top5` it also counts the examples whose target is not among the five most probable.
    """

    examples: Tensor
    wrong: Tensor
    loss: Tensor
    wrong5: Tensor

    def __init__(self, top5: bool = False) -> None:
        super().__init__(("examples", "wrong", "loss", *(["wrong5"] if top5 else [])))

    def update(self, logits: Tensor, targets: Tensor, mean_loss: Tensor | None = None) -> None:
        """Count a batch: logits (N, classes), targets (N,), its mean loss (): cross-entropy, where
        no other is said."""
        if mean_loss is None:
            mean_loss = cross_entropy(logits, targets)
        self.examples.add_(len(targets))
        self.wrong.add_((logits.argmax(1) != targets).sum())
        self.loss.add_(mean_loss.float() * len(targets))
        if "wrong5" in self.names:
            five = logits.topk(5, 1).indices
            self.wrong5.add_(len(targets) - (five == targets[:, None]).sum())

    def score(self) -> Score:
        """Everything counted since the last reset, over all processes."""
        examples, wrong, loss, *wrong5 = self.compute()
        return Score(
            int(examples), int(wrong), float(loss) / int(examples), *(int(n) for n in wrong5)
        )
