"""The start of a run, before torch is imported: its folder, its lock, and what became of it.

A run is started with the path of its `config.yaml` and writes beside it. Whoever holds the lock
trains; a final run is left as it is; an error is recorded before it is raised.
"""

import os
from pathlib import Path

from reslab import store
from reslab.config import RunConfig, read_run
from reslab.errors import UserError

BUSY = 3
"""Exit code of a run that another process is training."""


def start(config_file: Path, devices: int = 1) -> int:
    """Train the run in `config_file` to its end, from its last checkpoint if it has one.

    Returns an exit code: 0 for a final run, 1 for an interrupted one, `BUSY`.
    """
    config, folder = read_run(config_file), config_file.resolve().parent
    if rank() > 0:  # a process that rank 0 has started: it holds the lock for all
        return _run(config, folder, devices)
    _refuse_another_run(config, folder, config_file)
    try:
        with store.lock(folder):
            if store.read_result(folder) is not None:
                print(f"{folder.name} is final: {store.state(folder)}")
                return 0
            (folder / store.ERROR).unlink(missing_ok=True)
            try:
                return _run(config, folder, devices)
            except Exception as error:
                kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
                store.write_error(folder, f"{kind}{error}")
                raise
    except store.Busy as busy:
        print(busy)
        return BUSY


def _refuse_another_run(config: RunConfig, folder: Path, config_file: Path) -> None:
    starts = store.read_json(folder / store.ENV) or [{}]
    begun = starts[-1].get("run_id", config.run_id)
    if begun != config.run_id:
        raise UserError(
            f"{config_file} describes run {config.run_id}, but {folder} was begun as run {begun}: "
            "the description has changed, or the files in its data.folder; undo that, or give the "
            "new run a folder of its own"
        )


def rank() -> int:
    """This process's number among those of its run, as Lightning and torchrun tell it."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def _run(config: RunConfig, folder: Path, devices: int) -> int:
    from reslab.training.run import run  # torch and lightning: seconds

    return run(config, folder, devices)
