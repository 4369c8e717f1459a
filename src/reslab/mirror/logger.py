"""Weights & Biases: a mirror of the run folder, never a condition of the training.

`WANDB_MODE` decides where it is set (`disabled`: wandb is not even imported). Otherwise a key means
online, if the configured server answers; no key means offline. There is never a prompt.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from reslab import store
from reslab.arguments import from_environment, number
from reslab.config.run import RunConfig
from reslab.config.trees import flatten
from reslab.execution import place
from reslab.mirror import account, unsent

FINISH = 60.0
"""Seconds that the server has for what is left at the end; WANDB_FINISH_TIMEOUT is another."""


class Tracking(Callback):
    """Opens the run's logger once the data are there: a run that is refused for them has no log."""

    def __init__(self, folder: Path, config: RunConfig, costs: dict[str, int]) -> None:
        self.run = folder, config, costs

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Comes after the DataModule's `setup`."""
        if stage == "fit" and (logger := open_logger(*self.run)):
            trainer.logger = logger


def open_logger(folder: Path, config: RunConfig, costs: dict[str, int]) -> WandbLogger | None:
    """The run's logger, None where W&B is disabled or fails, and on all ranks but the first."""
    mode = os.environ.get("WANDB_MODE", "").lower()
    if mode == "disabled" or place().rank > 0:
        return None
    if not mode:
        os.environ.pop("WANDB_MODE", None)  # wandb refuses an empty one
    import wandb  # costs a second, so only now

    for fallback in (False, True):
        try:
            found = "offline" if fallback else mode or _mode(account.base_url())
            return WandbLogger(experiment=_start(folder, config, costs, found))
        except Exception as error:  # whatever wandb, its service or the server finds wrong
            print(f"W&B: {error}", file=sys.stderr)
            wandb.teardown()
    return None


def _mode(base_url: str) -> str:
    """online or offline, from the key and the server's answer."""
    if not account.has_key(base_url):
        return "offline"
    if not account.reachable(base_url):
        print(f"W&B: {base_url} does not answer: this run is logged offline", file=sys.stderr)
        return "offline"
    return "online"


def _start(folder: Path, config: RunConfig, costs: dict[str, int], mode: str) -> Any:
    """A wandb Run that plots against the training step."""
    import wandb

    own = {"name": folder.name, "group": folder.parent.name}  # nobody has planned it
    tracking = store.tracking_of(folder, config.run_id, own)
    run = wandb.init(
        mode=mode,  # type: ignore[arg-type]
        dir=folder,
        resume="allow",
        project=account.project(),
        config={**flatten(config.model_dump(mode="json")), "run_id": config.run_id, **costs},
        settings=wandb.Settings(
            silent=True,
            init_timeout=30,
            finish_timeout=patience(),
            finish_timeout_raises=True,
            x_transaction_log_flush_interval=1.0,  # a kill costs as much of the log
        ),
        **tracking,
    )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def patience() -> float:
    """Seconds that the server has at the end; `UserError` for what is no number."""
    return from_environment("WANDB_FINISH_TIMEOUT", partial(number, example=FINISH)) or FINISH


def finish(trainer: Trainer, result: dict[str, Any] | None) -> None:
    """Put the result into the run's summary and close it; without one it counts as failed.

    What the server does not take in time stays on the disk. It is marked as unsent until the server
    has it: whoever is in a hurry kills the process meanwhile. A failure is printed, not raised.
    """
    for logger in trainer.loggers:
        assert isinstance(logger, WandbLogger)
        run = logger.experiment
        log = Path(run.dir).parent / f"run-{run.id}.wandb"
        try:
            if not run.offline:
                unsent.mark_of_unsent(log).touch()
            if result is not None:
                run.summary.update(flatten({"final": result}))
            run.finish(exit_code=int(result is None))
            if not run.offline:
                unsent.mark_of_unsent(log).unlink()
        except Exception as error:
            print(f"W&B: {error} What the server has not got is in {log}", file=sys.stderr)
