"""ResidentData under lightning: the step is all that a resumed run needs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tests.data.ranks import as_rank
from torch import Tensor

from reslab.config import RunConfig, resolve
from reslab.data.modules import ResidentData
from reslab.data.normalize import Normalization
from reslab.data.sources import hold_out, open_source

# A Trainer looks for SLURM's client whenever it starts without a checkpoint.
pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available:UserWarning")


def run(**fields: Any) -> RunConfig:
    tree = {"model": "resnet8_w8", "data": "digits", "recipe": "digits", **fields}
    return resolve(tree, "test")


def at(config: RunConfig, *rank: int, **place: int) -> ResidentData:
    """The data as a rank sees it, at a step."""
    return as_rank(ResidentData(config), *rank, **place)


def digest(batch: tuple[Tensor, ...]) -> str:
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in batch)).hexdigest()


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
    trainer.fit(witness, ResidentData(run()), ckpt_path=resume, weights_only=True)
    return witness, trainer


@pytest.fixture(scope="module")
def whole_run() -> tuple[Witness, Trainer]:
    return fit(40)


def test_lightning_trains_on_the_batches_of_steps_0_to_the_last(
    whole_run: tuple[Witness, Trainer],
) -> None:
    data = at(run())
    assert whole_run[0].seen == [digest(data.train_batch(step)) for step in range(40)]


def test_each_validation_sees_every_test_example_once(whole_run: tuple[Witness, Trainer]) -> None:
    assert whole_run[0].validated == {10: 360, 20: 360, 30: 360, 40: 360}


def test_the_test_loaders_are_the_whole_training_split_and_the_test_split(
    whole_run: tuple[Witness, Trainer],
) -> None:
    witness, trainer = whole_run
    trainer.test(witness, ResidentData(run()), verbose=False)
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


def test_a_batch_has_the_promised_shapes_and_dtypes() -> None:
    images, targets = next(iter(at(run()).train_dataloader()))
    assert (images.shape, images.dtype) == ((64, 1, 8, 8), torch.float32)
    assert (targets.shape, targets.dtype) == ((64,), torch.int64)
    exact = at(run(precision="64-true"))
    assert next(iter(exact.train_dataloader()))[0].dtype == torch.float64
    assert next(iter(exact.val_dataloader()))[0].dtype == torch.float64


def test_the_loader_starts_at_the_trainers_step_and_has_no_length() -> None:
    loader = at(run(), step=17).train_dataloader()
    assert digest(next(iter(loader))) == digest(at(run()).train_batch(17))
    assert not hasattr(loader, "__len__")


def test_without_a_trainer_training_starts_at_step_0() -> None:
    data = ResidentData(run())
    data.setup()
    assert digest(next(iter(data.train_dataloader()))) == digest(data.train_batch(0))


def test_seeds_give_different_batches_and_equal_runs_equal_ones() -> None:
    assert digest(at(run()).train_batch(5)) == digest(at(run()).train_batch(5))
    assert digest(at(run(seed=1)).train_batch(5)) != digest(at(run()).train_batch(5))


EVERYTHING = {"crop_padding": 1, "fill": "reflect", "flip": True, "cutout": 2, "randaugment": 1}
AUGMENTATIONS = [{}, EVERYTHING, {"mixup": 0.4}, {"cutmix": 1.0, **EVERYTHING, "mixup": 1.0}]


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=lambda a: " ".join(a) or "recipe")
@pytest.mark.parametrize("ranks", [2, 4])
def test_the_ranks_batches_joined_are_the_global_batch(
    ranks: int, augmentation: dict[str, Any]
) -> None:
    config = run(recipe={"name": "digits", "augmentation": augmentation})
    places = [at(config, rank, ranks) for rank in range(ranks)]
    for step in (0, 22, 23):  # step 22 is in two epochs
        parts = [place.train_batch(step) for place in places]
        joined = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        assert digest(joined) == digest(at(config).train_batch(step))


def test_a_mixed_batch_is_of_the_step_alone_and_keeps_its_targets() -> None:
    config = run(recipe={"name": "digits", "augmentation": {"mixup": 1.0}})
    data, plain = at(config), at(run())
    torch.manual_seed(0)
    first = [data.train_batch(step) for step in (0, 22, 40)]
    again = [at(config).train_batch(step) for step in (40, 22, 0)][::-1]
    assert [digest(batch) for batch in first] == [digest(batch) for batch in again]
    for step, (images, targets, probabilities) in zip((0, 22, 40), first, strict=True):
        unmixed = plain.train_batch(step)
        assert torch.equal(targets, unmixed[1])
        own = targets != targets.roll(1)
        share = probabilities[range(64), targets][own][0]
        expected = share * unmixed[0] + (1 - share) * unmixed[0].roll(1, 0)
        torch.testing.assert_close(images, expected)
        assert (probabilities.shape, probabilities.dtype) == ((64, 10), torch.float32)
    assert len({float(batch[2].max(1).values.min()) for batch in first}) == 3


def test_augmentation_changes_neither_the_order_nor_evaluation() -> None:
    plain, changed = run(), run(recipe={"name": "digits", "augmentation": AUGMENTATIONS[-1]})
    assert torch.equal(at(plain).train_batch(3)[1], at(changed).train_batch(3)[1])
    for split in (0, 1):
        before, after = (at(c).test_dataloader()[split] for c in (plain, changed))
        assert [digest(b) for b in before] == [digest(b) for b in after]


def test_batches_of_earlier_versions_are_the_same() -> None:
    """Golden digests: crops, flips and their streams never change."""
    flipped = run(recipe={"name": "digits", "augmentation.flip": True})
    assert [digest(at(c).train_batch(22))[:16] for c in (run(), flipped)] == [
        "2cdeb203ac4fd804",
        "a9bc1c7e69504b29",
    ]


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 32])
def test_evaluation_counts_every_example_once_for_any_number_of_ranks(ranks: int) -> None:
    config = run()
    alone = at(config)
    for split, loader in ((0, "train"), (1, "test")):
        shown = []
        for rank in range(ranks):
            batches = at(config, rank, ranks).test_dataloader()[split]
            assert len(list(batches)) == len(batches)
            shown += [image for images, _ in batches for image in images.numpy()]
        expected = alone.normalization(getattr(alone, loader).images).numpy()
        assert sorted(map(bytes, shown)) == sorted(map(bytes, expected))


def test_a_hold_out_replaces_the_test_split_and_is_not_trained_or_fitted_on() -> None:
    data = at(run(data={"name": "digits", "holdout": 300}))
    rest, held = hold_out(open_source("digits").train, 300)
    assert (data.train_examples, data.test_examples) == (1137, 300)
    assert torch.equal(data.train.images, rest.images)
    assert torch.equal(data.test.images, held.images)
    assert torch.equal(data.normalization.mean, Normalization.fit("channel", rest.images).mean)
    assert len(data.class_names) == 10
