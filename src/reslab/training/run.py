"""One run, from its description to its result: Trainer.fit, Trainer.test, `result.json`."""

import logging
import os
import platform
import subprocess
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from torch import nn

from reslab import disk, store
from reslab.arguments import from_environment, whole
from reslab.config.data import facts_of
from reslab.config.run import RunConfig, input_size
from reslab.config.trains import ALL
from reslab.data.modules import ImageData, data_module
from reslab.execution import RUNS_PER_GPU, Execution, Form, place
from reslab.machine import processor_name
from reslab.memory import keep_freed_memory
from reslab.methods.adapters import adaptation
from reslab.methods.materialise import fastest, materialise
from reslab.methods.trains import trainable, what_trains
from reslab.mirror.logger import Tracking, finish
from reslab.models.count import complexity_of
from reslab.models.precision import default_device, set_precision
from reslab.store.owner import Claim, TakenOver
from reslab.store.records import RECORDED
from reslab.training.beginning import Beginning, begin
from reslab.training.checkpointing import Checkpoint, Interrupted
from reslab.training.chunks import Pace, chunks_of
from reslab.training.classifier import Classifier
from reslab.training.clock import Clock
from reslab.training.diagnostics import Diagnostics
from reslab.training.group import (
    Talk,
    batch_norms,
    leave,
    leave_together,
    plugins,
    refuse_fused_norms,
    strategy,
)
from reslab.training.lesson import Lesson, lesson_of
from reslab.training.optimizers import evaluation_interval
from reslab.training.ownership import Ownership
from reslab.training.precision import precision_plugin
from reslab.training.progress import Progress
from reslab.training.record import Diverged, Record
from reslab.training.selection import Selection, use_selected
from reslab.training.self_supervised import SelfSupervised
from reslab.training.trouble import in_our_words

MODULES: dict[str, type[Classifier]] = {"classes": Classifier, "simsiam": SelfSupervised}
"""What trains a net, by its recipe's objective."""


def run(config: RunConfig, execution: Execution, form: Form, claim: Claim) -> int:
    """Train and evaluate the run that is held by a claim, from its checkpoint if it has one.

    Returns 0 when the run is final (done or diverged), 1 when it was interrupted. `TakenOver` where
    the claim to it has ended.
    """
    began, folder = time.monotonic(), claim.folder
    quiet_lightning()
    keep_freed_memory()
    set_precision(config.precision)
    checkpoint = folder / store.CHECKPOINT
    resumed = checkpoint if checkpoint.exists() else None
    begun = begin(config, folder, resumed)
    net = fastest(materialise(config, begun.load), config.model)
    if execution.sync_batchnorm:
        refuse_fused_norms(net)
    costs = counted_costs(net, config)
    lesson = lesson_of(config, folder, net)
    trainer = make_trainer(config, execution, costs, claim)
    together = {"normalization_batch": normalization_batch(net, config, execution)}
    if trainer.is_global_zero:
        claim.check()
        if resumed is None:
            record_beginning(folder, net, begun, lesson)
        tell_what_trains(net, config)
        which = {"run_id": config.run_id, "resumed": resumed is not None}
        silent = claim.taken_from()
        before = {"taken_from": silent} if silent else {}
        start = {**environment(trainer, execution, form), **together, **which, **before}
        store.append_start(folder, start)
    try:
        with in_our_words(trainer, net, config, execution):
            micro_batches = execution.micro_batches(config.recipe.batch_size, place().ranks)
            data = data_module(config, begun.normalization, micro_batches)
            module = MODULES[config.recipe.objective.name](net, config, form, lesson)
            outcome = fit_and_test(trainer, module, data, resumed)
    except Interrupted:
        if trainer.is_global_zero:
            print("interrupted; the same command goes on from here", flush=True)
        finish(trainer, None)
        leave()
        return 1
    except TakenOver:
        finish(trainer, None)
        raise
    except Diverged as diverged:
        if trainer.is_global_zero:
            print(f"diverged: {diverged}", flush=True)
        outcome = {"status": "diverged", **diverged.result}
    leave_together()
    ended = {"code": store.code_version(), "seconds": round(time.monotonic() - began, 1)}
    result = {**outcome, **costs, "split": config.data.split, **together, **ended}
    if trainer.is_global_zero:
        claim.check()
        store.flush_metrics(folder)
        disk.write_json(folder / store.RESULT, result)
    finish(trainer, result)
    return 0


def counted_costs(net: nn.Module, config: RunConfig) -> dict[str, int]:
    """Parameters and multiply-adds, and of a run that is adapted how many parameters train."""
    costs = vars(complexity_of(net, config.model, input_size(config)))
    return {**costs, "trainable": trainable(net)} if config.is_adapted else costs


def record_beginning(folder: Path, net: nn.Module, begun: Beginning, lesson: Lesson | None) -> None:
    """Tell and write down what a new run begins with, and who teaches it."""
    store.drop_metrics_after(folder, 0)
    begun.record(folder, net)
    if lesson is not None:
        lesson.record(folder)


def tell_what_trains(net: nn.Module, config: RunConfig) -> None:
    """What an adapter has done to a net, and what of it trains where that is not all."""
    if config.adapter:
        print(adaptation(net, config.adapter), flush=True)
    if config.trains != ALL:
        print(what_trains(net, config.trains), flush=True)


def fit_and_test(
    trainer: Trainer, module: Classifier, data: ImageData, resumed: Path | None
) -> dict[str, Any]:
    """Fit to the last step, then evaluate the final, or the chosen, weights on both splits."""
    data.steps = lambda: chunks_of(trainer, module.config, len(data.train))
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
    finally:
        module.step = None  # and the workers that read ahead for it
    selected = use_selected(trainer, module.net)
    trainer.test(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        errors = (f"{split} error {s.top1_error:.2f} %" for split, s in module.final.items())
        print("  ".join(errors))
    return {
        "status": "done",
        "step": trainer.global_step,
        **selected,
        **{split: score.as_dict() for split, score in module.final.items()},
        **({"undecodable": data.undecodable} if data.undecodable else {}),
    }


def make_trainer(
    config: RunConfig, execution: Execution, costs: dict[str, int], claim: Claim
) -> Trainer:
    """Lightning's Trainer with our records and checkpoints in place of its own."""
    recipe, here, folder = config.scaled_recipe, place(), claim.folder
    data, talk = config.data, Talk()
    test_examples = data.holdout if data.split == "holdout" else facts_of(data).test
    interval = evaluation_interval(recipe, test_examples)
    record = Record(folder)
    device = default_device().type
    return Trainer(
        max_steps=recipe.steps,
        max_epochs=-1,
        accelerator=device,
        devices=here.local_ranks,
        num_nodes=here.nodes,
        strategy=strategy(here.ranks),
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=False,  # `Tracking` opens it
        callbacks=[
            Ownership(claim),
            Tracking(folder, config, costs),
            record,
            Progress(record, recipe.batch_size),
            *([Diagnostics(claim)] if config.diagnostics else []),
            *([Selection(record)] if data.selected_on == "holdout" else []),
            Pace(talk),
            Checkpoint(claim, interval, talk),
            Clock(folder),
        ],
        plugins=[
            precision_plugin(config.precision, device),
            *plugins(execution.sync_batchnorm, here.ranks),
        ],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def quiet_lightning() -> None:
    """Keep advertisements, two deprecations and two false alarms out of the run's log.

    One deprecation is inside Lightning 2.6; the other's successor is new in torch 2.14. Lightning
    looks for SLURM's client although it was told its environment (`plugins`). Norms that do not
    train are in evaluation mode.
    """
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
    warnings.filterwarnings("ignore", "The `srun` command is available on your system")
    warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode at the start")


def normalization_batch(net: nn.Module, config: RunConfig, execution: Execution) -> int | None:
    """Examples that a BatchNorm in training mode normalises over; None where there is none."""
    if not batch_norms(net):
        return None
    return execution.normalized_together(config.recipe.batch_size, place().ranks)


def environment(trainer: Trainer, execution: Execution, form: Form) -> dict[str, Any]:
    """What a start is made with, for `env.json`."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "code": store.code_version(),
        "commit": _commit(),
        "python": platform.python_version(),
        **{library: version(library) for library in RECORDED},
        "device": f"{device.type} ({name})",
        "devices": trainer.world_size,
        "micro_batch": execution.micro_batch,
        "sync_batchnorm": execution.sync_batchnorm,
        "form": form,
        "threads": torch.get_num_threads(),
        "processor": processor_name(),
        "runs_per_gpu": from_environment(RUNS_PER_GPU, whole),
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
