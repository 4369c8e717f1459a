"""One run, from its description to its result: Trainer.fit, Trainer.test, `result.json`."""

import logging
import os
import platform
import subprocess
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningDataModule, Trainer
from torch import nn

from reslab import store
from reslab.config import RunConfig, facts_of, input_size
from reslab.data.modules import data_module
from reslab.data.order import init_seed
from reslab.models import build
from reslab.models.complexity import complexity
from reslab.training.callbacks import Checkpoint, Diverged, Interrupted, Progress, Record
from reslab.training.checkpoint import AtomicCheckpointIO
from reslab.training.classifier import Classifier
from reslab.training.schedule import evaluation_interval
from reslab.training.tracking import finish, open_logger

LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy")
"""Their versions are recorded with every start."""


def run(config: RunConfig, folder: Path, devices: int) -> int:
    """Train and evaluate, from the folder's checkpoint if it has one.

    Returns 0 when the run is final (done or diverged), 1 when it was interrupted.
    """
    began = time.monotonic()
    quiet_lightning()
    set_precision(config.precision)
    net = initialised(config)
    size = input_size(config)
    costs = vars(complexity(net, (config.model.in_channels, size, size)))
    trainer = make_trainer(config, folder, devices, costs)
    checkpoint = folder / store.CHECKPOINT
    resumed = checkpoint if checkpoint.exists() else None
    if trainer.is_global_zero:
        if resumed is None:
            store.drop_metrics_after(folder, 0)
        begun = {"run_id": config.run_id, "resumed": resumed is not None}
        store.append_start(folder, {**environment(trainer), **begun})
    try:
        outcome = fit_and_test(trainer, Classifier(net, config), data_module(config), resumed)
    except Interrupted:
        print("interrupted; the same command goes on from here", flush=True)
        finish(trainer, None)
        return 1
    except Diverged as diverged:
        print(f"diverged: {diverged}", flush=True)
        outcome = {"status": "diverged", **diverged.result}
    result = {
        **outcome,
        **costs,
        "split": "holdout" if config.data.holdout else "test",
        "normalization_batch": normalization_batch(net, config, trainer.world_size),
        "code": store.code_version(),
        "seconds": round(time.monotonic() - began, 1),
    }
    if trainer.is_global_zero:
        store.write_json(folder / store.RESULT, result)
    finish(trainer, result)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0


def fit_and_test(
    trainer: Trainer, module: Classifier, data: LightningDataModule, resumed: Path | None
) -> dict[str, Any]:
    """Fit to the last step, then evaluate the final weights on both splits."""
    trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
    trainer.test(module, datamodule=data, verbose=False)
    scores = {"train": module.final_train_tally.score(), "test": module.test_tally.score()}
    if trainer.is_global_zero:
        print("  ".join(f"{split} error {s.top1_error:.2f} %" for split, s in scores.items()))
    return {
        "status": "done",
        "step": trainer.global_step,
        **{split: score.as_dict() for split, score in scores.items()},
    }


def make_trainer(config: RunConfig, folder: Path, devices: int, costs: dict[str, int]) -> Trainer:
    """Lightning's Trainer with our records and checkpoints in place of its own."""
    recipe = config.scaled_recipe
    test_examples = config.data.holdout or facts_of(config.data).test
    interval = evaluation_interval(recipe, test_examples)
    record = Record(folder)
    precision: Literal["32-true", "bf16-mixed", "64-true"] = (
        "32-true" if config.precision == "tf32" else config.precision
    )
    return Trainer(
        max_steps=recipe.steps,
        max_epochs=-1,
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=precision,
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=open_logger(folder, config, costs) or False,
        callbacks=[
            record,
            Progress(record, recipe.batch_size),
            Checkpoint(folder, interval),
        ],
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def initialised(config: RunConfig) -> nn.Module:
    """The run's net with weights drawn from its seed, in the memory format fastest for it."""
    torch.manual_seed(init_seed(config.seed))
    return build(config.model).to(memory_format=torch.channels_last)


def set_precision(precision: str) -> None:
    """TF32 only where the run asks for it; no algorithm that is chosen by timing."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def quiet_lightning() -> None:
    """Keep advertisements and a deprecation inside Lightning 2.6 out of the run's log."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)


def normalization_batch(net: nn.Module, config: RunConfig, processes: int) -> int | None:
    """Examples that a BatchNorm normalises over in training; None for a net without one."""
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        return None
    return config.recipe.batch_size // processes


def environment(trainer: Trainer) -> dict[str, Any]:
    """What a start is made with, for `env.json`."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "code": store.code_version(),
        "commit": _commit(),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": f"{device.type} ({name})",
        "devices": trainer.world_size,
        "threads": torch.get_num_threads(),
        "pid": os.getpid(),
    }


def _commit() -> str | None:
    """The commit of the code's checkout, marked if its files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
