"""Weights & Biases: a mirror of the run folder, never a condition of the training.

`WANDB_MODE` decides where it is set (`disabled`: wandb is not even imported). Otherwise a key means
online, if the configured server answers; no key means offline. There is never a prompt.
"""

import netrc
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning import Trainer
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from reslab import store
from reslab.config import RunConfig, flatten

PATIENCE = 5.0
"""Seconds that the server has for its first answer."""


def open_logger(folder: Path, config: RunConfig, costs: dict[str, int]) -> WandbLogger | None:
    """The run's logger, None where W&B is disabled or fails, and on all ranks but the first."""
    mode = os.environ.get("WANDB_MODE", "").lower()
    if mode == "disabled" or getattr(rank_zero_only, "rank", None):
        return None
    if not mode:
        os.environ.pop("WANDB_MODE", None)  # wandb refuses an empty one
    import wandb  # costs a second, so only now

    for fallback in (False, True):
        try:
            found = "offline" if fallback else mode or _mode(wandb.setup().settings.base_url)
            return WandbLogger(experiment=_start(folder, config, costs, found))
        except Exception as error:  # whatever wandb, its service or the server finds wrong
            print(f"W&B: {error}", file=sys.stderr)
            wandb.teardown()
    return None


def _mode(base_url: str) -> str:
    """online or offline, from the key and the server's answer."""
    if not has_key(base_url):
        return "offline"
    if not reachable(base_url):
        print(f"W&B: {base_url} does not answer: this run is logged offline", file=sys.stderr)
        return "offline"
    return "online"


def has_key(base_url: str) -> bool:
    """Whether there is a key for the server, in the environment or in a netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    files = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    host = urlsplit(base_url).hostname or ""
    for file in filter(None, files):
        try:
            if host in netrc.netrc(Path(file).expanduser()).hosts:
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def reachable(base_url: str) -> bool:
    """Whether anything answers at the address, through the proxy if one is configured."""
    try:
        urllib.request.urlopen(base_url, timeout=PATIENCE).close()
    except urllib.error.HTTPError:  # an answer
        return True
    except OSError:
        return False
    return True


def _start(folder: Path, config: RunConfig, costs: dict[str, int], mode: str) -> Any:
    """A wandb Run that plots against the training step."""
    import wandb

    tracking = store.read_json(folder / store.TRACKING) or {"name": folder.name}
    run = wandb.init(
        mode=mode,  # type: ignore[arg-type]
        dir=folder,
        resume="allow",
        project=os.environ.get("WANDB_PROJECT", "reslab"),
        config={**flatten(config.model_dump(mode="json")), "run_id": config.run_id, **costs},
        settings=wandb.Settings(silent=True, init_timeout=30, finish_timeout=60),
        **tracking,
    )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def finish(trainer: Trainer, result: dict[str, Any]) -> None:
    """Put the result into the run's summary and close it; a failure is printed, not raised."""
    for logger in trainer.loggers:
        assert isinstance(logger, WandbLogger)
        try:
            logger.experiment.summary.update(flatten({"final": result}))
            logger.experiment.finish()
        except Exception as error:
            print(f"W&B: {error}", file=sys.stderr)
