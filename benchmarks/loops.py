"""The loops that are compared, each until its clock says that it is over: the bare step, reslab's
own run, the usual pipeline by hand and in Lightning; and batches alone.

All train the same net with the same optimiser, SGD with momentum and weight decay as the recipe
says, at a constant rate but for reslab's run, which follows its schedule.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks.cases import Pair, usual_loader
from benchmarks.clock import SETTLING, Clock, wait
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reslab.config.data import facts_of
from reslab.config.run import RunConfig, input_size
from reslab.data.modules import data_module
from reslab.execution import Execution, Form
from reslab.models.nets import build
from reslab.models.precision import MIXED, autocast, default_device, set_precision
from reslab.store.owner import Claim
from reslab.training import run as running

EVALUATED_AT_ONCE = 100
"""Images of the bare evaluation, as many as ours takes on a CPU."""
READ_AHEAD = 2
"""Batches that a worker of a DataLoader reads ahead by default."""


# ---- by hand ------------------------------------------------------------------------------------


def bare(clock: Clock, config: RunConfig, compiled: bool) -> None:
    """Forward, backward and optimiser on one batch that is there; channels last."""
    net = _net(config).to(memory_format=torch.channels_last)
    if compiled:
        net.compile(mode="reduce-overhead" if default_device().type == "cuda" else None)
    clock.evaluate = lambda: _evaluated(net, config)
    _train(clock, net, config, _endless([_made_up(config)]))


def bare_step(config: RunConfig) -> Callable[[], None]:
    """The eager one alone, as often as it is called."""
    net = _net(config).to(memory_format=torch.channels_last)
    step, batch = _step(net, config), _made_up(config)
    return lambda: step(*batch)


def usual(clock: Clock, config: RunConfig, workers: int) -> None:
    """The usual pipeline and a loop by hand, as tutorials write it."""
    device = default_device()
    loader = usual_loader(config, workers, pinned=device.type == "cuda")
    clock.settling = SETTLING + READ_AHEAD * workers
    batches = (
        tuple(part.to(device, non_blocking=True) for part in batch) for batch in _endless(loader)
    )
    _train(clock, _net(config), config, batches)


def _net(config: RunConfig) -> nn.Module:
    set_precision(config.precision)
    torch.manual_seed(0)
    return build(config.model).to(default_device())


def _made_up(config: RunConfig) -> Pair:
    """A batch of noise."""
    images = torch.randn(config.recipe.batch_size, *_shape(config), device=default_device())
    return images, torch.arange(len(images), device=images.device) % config.model.classes


def _shape(config: RunConfig) -> tuple[int, int, int]:
    side = input_size(config)
    return config.model.in_channels, side, side


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def _train(clock: Clock, net: nn.Module, config: RunConfig, batches: Iterator[Any]) -> None:
    step = _step(net, config)
    for images, targets in batches:
        step(images, targets)
        clock.tick()


def _step(net: nn.Module, config: RunConfig) -> Callable[[Tensor, Tensor], None]:
    """Forward, backward and optimiser."""
    optimizer, kind = _optimizer(net, config), default_device().type

    def step(images: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        with autocast(config.precision, kind):
            loss = cross_entropy(net(images), targets)
        loss.backward()
        optimizer.step()

    return step


def _optimizer(net: nn.Module, config: RunConfig) -> torch.optim.SGD:
    described: Any = config.recipe.optimizer
    return torch.optim.SGD(
        net.parameters(),
        described.lr,
        momentum=described.momentum,
        weight_decay=described.weight_decay,
    )


@torch.no_grad()
def _evaluated(net: nn.Module, config: RunConfig) -> Iterator[int]:
    images = torch.randn(EVALUATED_AT_ONCE, *_shape(config), device=default_device())
    net.eval()
    try:
        for _ in range(facts_of(config.data).test // len(images)):
            with autocast(config.precision, images.device.type):
                net(images)
            yield len(images)
    finally:
        net.train()


# ---- by a Trainer --------------------------------------------------------------------------------


class Told(Callback):
    """Tells a clock the steps that a Trainer has made; an evaluation is none."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.steps, self.began = clock, 0, 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """One step, or as many as were made at once."""
        steps, self.steps = trainer.global_step - self.steps, trainer.global_step
        self.clock.tick(steps)

    def on_validation_start(self, *_: Any) -> None:
        """From here on no step is made."""
        wait()
        self.began = time.perf_counter()

    def on_validation_end(self, *_: Any) -> None:
        """Comes after the checkpoint, which is the evaluation's."""
        wait()
        self.clock.aside += time.perf_counter() - self.began


def ours(clock: Clock, config: RunConfig, compiled: bool) -> None:
    """`reslab.training.run.run` as it is, with a row of metrics where one is due and a checkpoint
    every minute; its evaluations are measured alone."""

    def with_clock(trainer: Trainer) -> None:
        trainer.callbacks.append(Told(clock))  # type: ignore[attr-defined]
        clock.evaluate = lambda: _validated(trainer)

    watch(with_clock)
    with TemporaryDirectory() as folder:
        running.run(config, Execution(), form_of(compiled), Claim(Path(folder)))


def watch(seen: Callable[[Trainer], None]) -> None:
    """Show every run's Trainer of this process before it begins."""
    make_trainer = running.make_trainer

    def shown(*arguments: Any) -> Trainer:
        trainer = make_trainer(*arguments)
        seen(trainer)
        return trainer

    running.make_trainer = shown


def form_of(compiled: bool) -> Form:
    """What a run's steps are here where they are compiled, and where they are not."""
    if not compiled:
        return "eager"
    return "cuda graphs" if default_device().type == "cuda" else "compiled"


@torch.no_grad()
def _validated(trainer: Trainer) -> Iterator[int]:
    """The evaluation of a run, as its Trainer makes it."""
    module: Any = trainer.lightning_module
    module.eval()
    try:
        for place, batch in enumerate(trainer.datamodule.val_dataloader()):  # type: ignore[attr-defined]
            with trainer.precision_plugin.val_step_context():
                module.validation_step(batch, place)
            yield len(batch[1])
    finally:
        module.test_tally.reset()
        module.train()


class Plain(LightningModule):
    """The shortest module that trains and logs its loss."""

    def __init__(self, net: nn.Module, config: RunConfig) -> None:
        super().__init__()
        self.net, self.config = net, config

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Mean cross-entropy."""
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.SGD:
        """That of all rows."""
        return _optimizer(self.net, self.config)


def lightning(clock: Clock, config: RunConfig, workers: int) -> None:
    """Lightning with the usual pipeline, a log of the loss in a file, and no checkpoints."""
    running.quiet_lightning()
    device, module = default_device().type, Plain(_net(config), config)
    clock.settling = SETTLING + READ_AHEAD * workers
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=-1,
            accelerator=device,
            devices=1,
            precision=config.precision if config.precision in MIXED else "32-true",
            logger=CSVLogger(folder),
            callbacks=[Told(clock)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, usual_loader(config, workers, pinned=device == "cuda"))


# ---- batches alone -------------------------------------------------------------------------------


def batches(clock: Clock, config: RunConfig) -> None:
    """reslab's training batches on one core, or on the GPU."""
    on_one_core()
    data, device = data_module(config), default_device()
    data.prepare_data()
    data.setup()
    data.normalization, data.train = data.normalization.to(device), data.train.to(device)
    made = data.train_dataloader()
    for step in count():
        made.batch(step)
        clock.tick()


def usual_batches(clock: Clock, config: RunConfig) -> None:
    """The usual pipeline's on one core."""
    on_one_core()
    for _ in _endless(usual_loader(config, 0, pinned=False)):
        clock.tick()


def on_one_core() -> None:
    """One thread, on one core."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
