"""Logs that W&B has not got are sent after the runs: whole, in order, and once."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from reslab import store
from reslab.errors import UserError
from reslab.mirror import account, unsent
from reslab.store import names
from reslab.store.plan import Options
from reslab.store.plans import NO_WORDS
from reslab.text import counted, size


def sync(name: str | None, dry: bool = False, options: Options = NO_WORDS) -> int:
    """Send the unsent W&B logs of a plan, of an experiment, or of all; 1 if one of them could not
    be sent.

    A run has a log for each of its starts, all with one id; W&B appends them to one another in the
    order of their starts, and marks what it has got: a second call has nothing left to do. Runs
    that are being trained are left out.
    """
    folders = run_folders(name, options)
    held = [folder for folder in folders if store.is_locked(folder)]
    logs = {folder: unsent.unsent_logs(folder) for folder in folders if folder not in held}
    logs = {folder: files for folder, files in logs.items() if files}
    print(announcement(logs, len(held)), flush=True)
    if not logs or dry:
        return 0
    if obstacle := account.why_offline():
        raise UserError(f"nothing was sent: {obstacle}")
    arrived = [send(files) for files in tqdm(logs.values(), unit="run", disable=None)]
    return 0 if all(arrived) else 1


def run_folders(name: str | None, options: Options = NO_WORDS) -> list[Path]:
    """The folders with W&B logs of a plan that is named by words, of an experiment with all its
    plans, or of all experiments.

    Only those below runs/: of a log that is sent the torn end is cut off, and a link may lead
    to anybody's.
    """
    root = store.runs_root()
    logs = [place / "wandb" for place in _places(name, options) if (place / "wandb").exists()]
    folders = sorted(path.parent for path in logs if path.resolve().is_relative_to(root.resolve()))
    if name is not None and not folders:
        store.read_plan(name, options)  # refuses what was not run
    return folders


def _places(name: str | None, options: Options) -> Iterable[Path]:
    """The folders of the runs."""
    if name is None:
        names.refuse_words(options)
        return store.runs_root().glob("*/*")
    if names.parted(name)[1] or names.given(options):
        return store.read_plan(name, options).folders()
    return store.experiment_folder(name).glob("*")


def announcement(logs: Mapping[Path, Sequence[Path]], held: int) -> str:
    """What would be sent, run by run."""
    lines = [f"  {folder}: {_size(files)}" for folder, files in logs.items()]
    everything = [file for files in logs.values() for file in files]
    head = f"to send: {_size(everything)}" if lines else "nothing to send"
    left_out = f"left out: {counted(held, 'run')} in training"
    return "\n".join([head, *lines, *([left_out] if held else [])])


def send(logs: Sequence[Path]) -> bool:
    """Send one run's logs, in order; whether all of them have arrived."""
    whole = [log for log in logs if truncate_torn_record(log)]
    for log in set(logs) - set(whole):
        print(f"{log} holds nothing: killed before W&B had written anything")
        log.with_name(f"{log.name}.synced").touch()
    if not whole:
        return True
    command = [sys.executable, "-m", "wandb", "sync", "--include-online", *map(str, whole)]
    environment = {key: value for key, value in os.environ.items() if key != "WANDB_MODE"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    left = unsent.unsent_logs(logs[0].parents[2])
    if any(log in left for log in whole):
        last = "\n".join(f"{done.stdout}{done.stderr}".strip().splitlines()[-5:])
        print(f"not sent: {left[0]}\n{last}", file=sys.stderr)
        return False
    return True


def truncate_torn_record(log: Path) -> bool:
    """Cut off a record that a kill has torn, where W&B would stop; whether a whole one is left.

    The format is LevelDB's: after W&B's 7 bytes, blocks of 32 KiB of parts, each with checksum (4
    bytes), length (2) and kind (1: whole, 2 to 4: first, middle, last); a rest of a block that
    holds no header is padding.
    """
    content = log.read_bytes()
    position = end = 7
    while position + 7 <= len(content):
        if 32_768 - position % 32_768 < 7:
            position += 32_768 - position % 32_768
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        position += 7 + length
        if kind not in (1, 2, 3, 4) or position > len(content):
            break
        if kind in (1, 4):
            end = position
    if end < len(content):
        os.truncate(log, end)
    return end > 7


def _size(files: Sequence[Path]) -> str:
    """`2 logs, 1.1 MB`."""
    return f"{counted(len(files), 'log')}, {size(sum(file.stat().st_size for file in files))}"
