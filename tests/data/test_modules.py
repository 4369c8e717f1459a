"""A run's data under lightning: the step is all that a resumed run needs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tests.data.ranks import at, digest, digits
from torch import Tensor

from reslab.data.modules import data_module
from reslab.data.normalize import Normalization
from reslab.data.sources import hold_out, open_source

# A Trainer looks for SLURM's client whenever it starts without a checkpoint.
pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available:UserWarning")


class Witness(LightningModule):
    """A linear net that notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 10)
        self.seen: list[str] = []
        self.validated: dict[int, int] = {}
        self.tested = [0, 0]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        self.seen.append(digest(batch))
        images, targets = batch
        return torch.nn.functional.cross_entropy(self.linear(images.flatten(1)), targets)

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        step = self.trainer.global_step
        self.validated[step] = self.validated.get(step, 0) + len(batch[1])

    def test_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> None:
        self.tested[dataloader_idx] += len(batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


def fit(steps: int, resume: Path | None = None) -> tuple[Witness, Trainer]:
    torch.set_num_threads(1)  # bit-equality on a CPU needs equal thread counts
    torch.manual_seed(0)
    witness = Witness()
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        val_check_interval=10,
        check_val_every_n_epoch=None,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(witness, data_module(digits()), ckpt_path=resume, weights_only=True)
    return witness, trainer


@pytest.fixture(scope="module")
def whole_run() -> tuple[Witness, Trainer]:
    return fit(40)


def test_lightning_trains_on_the_batches_of_steps_0_to_the_last(
    whole_run: tuple[Witness, Trainer],
) -> None:
    data = at(digits())
    assert whole_run[0].seen == [digest(data.train_batches().batch(step)) for step in range(40)]


def test_each_validation_sees_every_test_example_once(whole_run: tuple[Witness, Trainer]) -> None:
    assert whole_run[0].validated == {10: 360, 20: 360, 30: 360, 40: 360}


def test_the_test_loaders_are_the_whole_training_split_and_the_test_split(
    whole_run: tuple[Witness, Trainer],
) -> None:
    witness, trainer = whole_run
    trainer.test(witness, data_module(digits()), verbose=False)
    assert witness.tested == [1437, 360]


@pytest.mark.parametrize("stop", [1, 10, 13, 27])  # an epoch is 22.5 steps
def test_a_resumed_run_sees_the_same_batches_and_ends_with_the_same_weights(
    whole_run: tuple[Witness, Trainer], tmp_path: Path, stop: int
) -> None:
    first, trainer = fit(stop)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    second, _ = fit(40, resume=tmp_path / "x.ckpt")
    whole = whole_run[0]
    assert first.seen + second.seen == whole.seen
    assert torch.equal(second.linear.weight, whole.linear.weight)


def test_the_loader_starts_at_the_trainers_step_and_has_no_length() -> None:
    loader = at(digits(), step=17).train_dataloader()
    assert digest(next(iter(loader))) == digest(at(digits()).train_batches().batch(17))
    assert not hasattr(loader, "__len__")


def test_without_a_trainer_training_starts_at_step_0() -> None:
    data = data_module(digits())
    data.setup()
    assert digest(next(iter(data.train_dataloader()))) == digest(data.train_batches().batch(0))


def test_a_hold_out_replaces_the_test_split_and_is_not_trained_or_fitted_on() -> None:
    data = at(digits(data={"name": "digits", "holdout": 300}))
    rest, held = hold_out(open_source("digits").train, 300)
    assert (len(data.train), len(data.test)) == (1137, 300)
    assert torch.equal(data.train.images, rest.images)
    assert torch.equal(data.test.images, held.images)
    assert torch.equal(data.normalization.mean, Normalization.fit("channel", rest.images).mean)
    assert len(data.class_names) == 10
