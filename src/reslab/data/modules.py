"""The DataModule of every run and evaluation, whatever reads its images."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from lightning.pytorch import LightningDataModule, Trainer

from reslab.config.data import Data, Photographs
from reslab.config.recipe import Moments, Recipe
from reslab.config.run import RunConfig
from reslab.data import files
from reslab.data.batches import EvaluationBatches, Share, TrainingBatches, dtype_of
from reslab.data.normalize import Normalization, Normalizer
from reslab.data.readers import Images, Reader, open_images
from reslab.data.sources import held_out, split_for_run
from reslab.data.workers import default_workers
from reslab.errors import UserError


class ImageData(LightningDataModule):
    """A data set's images, float32 (float64 for 64-true), and targets, int64.

    The test split is the held-out part where there is one. Without a trainer it works on the CPU
    as rank 0 of 1, and training starts at step 0. Photographs are decoded and cropped by
    `default_workers()` processes; all after that is done in batches on the training device.
    """

    normalization: Normalization
    """Of the training images in use, or that given; like what follows there after `setup`."""
    class_names: tuple[str, ...]
    train: Images
    test: Images
    held: Images | None
    """Images that the weights are chosen by, in neither split; see `Data.selected_on`."""
    undecodable: int = 0
    """Files that are in neither split because they cannot be decoded."""

    def __init__(
        self,
        data: Data,
        photographs: Photographs | None,
        normalizer: Normalizer,
        precision: str,
        config: RunConfig | None = None,
        micro_batches: int = 1,
    ) -> None:
        super().__init__()
        self.data = data
        self.photographs = photographs
        self.normalizer = normalizer
        self.precision = precision
        self.config = config
        """The run that trains on them; None: they are only evaluated on."""
        self.micro_batches = micro_batches
        self.steps: Callable[[], Iterable[Any]] | None = None
        """What a training loader yields that yields no batches, because steps draw their own."""

    def prepare_data(self) -> None:
        """Download what is missing; decode every photograph once and fit the normalisation, where
        that was not done before.

        `UserError` as in `open_images`. Files that are left out are told.
        """
        if self.photographs is None:
            if self.data.file is None:
                files.fetch(self.data.name)
        elif not hasattr(self, "train"):
            self._open().tell()

    def opened(self) -> Self:
        """The same without a trainer: prepared and set up."""
        self.prepare_data()
        self.setup()
        return self

    def setup(self, stage: str | None = None) -> None:
        """Open the data once, in every process, for batches on its device."""
        if not hasattr(self, "train"):
            self._open()
        device = self.trainer.strategy.root_device if self.trainer else "cpu"
        self.normalization = self.normalization.to(device)
        self.train, self.test = self.train.to(device), self.test.to(device)
        self.held = self.held and self.held.to(device)

    def _open(self) -> Reader[Images]:
        opened = open_images(self.data, self.photographs, self.workers())
        self.class_names, self.undecodable = opened.class_names, opened.undecodable
        train, self.test = split_for_run(opened.train, opened.test, self.data)
        self.held = held_out(opened.train, self.data)
        given = self.normalizer
        fitted = given if isinstance(given, Normalization) else opened.fit(given, train)
        self.normalization, self.train = fitted, train
        return opened

    def train_dataloader(self) -> Iterable[Any]:
        """Training batches from the trainer's step on, without end, or the `steps` of a run."""
        return self.train_batches() if self.steps is None else self.steps()

    def train_batches(self) -> TrainingBatches:
        """Training batches by their step, or from the trainer's step on."""
        assert self.config is not None  # nothing else is trained on
        targets = self.train.targets.to(self.normalization.mean.device)
        return TrainingBatches(
            self.config,
            self.train,
            targets,
            self.normalization,
            self._share(),
            self.first_step,
            self.workers(),
        )

    def evaluation(self, split: Images) -> EvaluationBatches:
        """This rank's part of a split, in batches, not augmented."""
        targets = split.targets.to(self.normalization.mean.device)
        dtype = dtype_of(self.precision)
        return EvaluationBatches(
            split, targets, self.normalization, dtype, self._share(), self.workers()
        )

    def val_dataloader(self) -> EvaluationBatches:
        """The test split."""
        return self.evaluation(self.test)

    def test_dataloader(self) -> list[EvaluationBatches]:
        """The training split as it is, un-augmented, and the test split."""
        return [self.evaluation(self.train), self.evaluation(self.test)]

    def first_step(self) -> int:
        """The step that training starts at, or goes on at."""
        return self.trainer.global_step if self.trainer else 0

    def _share(self) -> Share:
        """Of the trainer's process; everything, without one."""
        if (trainer := self.trainer) is None:
            return Share(micro_batches=self.micro_batches)
        return Share(trainer.global_rank, trainer.world_size, self.micro_batches)

    def workers(self) -> int:
        """How many processes read images ahead."""
        if self.photographs is None:
            return 0  # they lie where batches are made
        return default_workers(self.trainer.num_devices if self.trainer else 1)


def data_of(trainer: Trainer) -> ImageData:
    """The DataModule of a trainer: no other is trained with here."""
    found: ImageData = trainer.datamodule  # type: ignore[attr-defined]
    return found


def data_module(
    config: RunConfig, told: Normalization | None = None, micro_batches: int = 1
) -> ImageData:
    """The DataModule of a run; `told` is the normalisation of the weights that it starts from."""
    normalizer, photographs = told or _normalizer(config.recipe), config.recipe.photographs
    return ImageData(config.data, photographs, normalizer, config.precision, config, micro_batches)


def _normalizer(recipe: Recipe) -> Normalizer:
    said = recipe.normalization
    if isinstance(said, Moments):
        return Normalization.given(said.mean, said.std)
    if said == "start":
        raise UserError("recipe.normalization: start is not fitted on images")
    return said
