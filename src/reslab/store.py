"""The run folder: names, schemas, states and atomic writing. The only thing between training and
reading; no torch.

    runs/<experiment>/plan.json                         the last plan
    runs/<experiment>/<variant>-s<seed>-<run_id>/       one run

A run folder holds `config.yaml` and `tracking.json` from the start; training adds `env.json` (a
list, one entry per start), `metrics.jsonl`, `last.ckpt`, `lock`, `error.json` and, last of all,
`result.json`, which is never rewritten; the launcher adds `log.txt`. Evaluations with other views
of the test images add files of their own, `eval-ten_crop.json`.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from reslab import records
from reslab.errors import UserError, nearest
from reslab.text import quoted

Row = dict[str, Any]
State = Literal["pending", "running", "done", "diverged", "crashed", "interrupted", "damaged"]
FINAL: frozenset[State] = frozenset({"done", "diverged"})

PLAN = "plan.json"
CONFIG = "config.yaml"
TRACKING = "tracking.json"
ENV = "env.json"
METRICS = "metrics.jsonl"
CHECKPOINT = "last.ckpt"
LOG = "log.txt"
LOCK = "lock"
ERROR = "error.json"
RESULT = "result.json"

LONGEST = 200
"""Letters of a name, to which a seed and a run's id are added: file systems have 255 bytes."""

BUSY = 3
"""Exit code of a process that leaves a run to another one, which is training it."""


def runs_root() -> Path:
    """The folder of all experiments: `RESLAB_RUNS`, else `runs` in the current folder."""
    return Path(os.environ.get("RESLAB_RUNS") or "runs")


def experiment_folder(experiment: str) -> Path:
    """runs/<experiment>; a name with a path in it is refused."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", experiment) or len(experiment) > LONGEST:
        raise UserError(
            f"{quoted(experiment)} is no experiment's name: a name is a word of letters, digits, "
            f"'_', '-' and '.', at most {LONGEST}, without a path"
        )
    return runs_root() / experiment


def slug(label: str) -> str:
    """A label as folders and W&B spell it: lower case, `[a-z0-9-]`."""
    word = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not word:
        raise UserError(
            f"the label {quoted(label)} has no letter or digit that a folder could be named by"
        )
    if len(word) > LONGEST:
        raise UserError(
            f"the label {quoted(label)} is too long for a folder's name: {len(word)} letters and "
            f"digits; expected at most {LONGEST}"
        )
    return word


# ---- writing ----------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; what was written there is flushed and takes its place.

    A kill at any moment leaves the old file or the new one, never a torn one; what it leaves of the
    temporary one goes with the next attempt. `UserError` where the disk is full.
    """
    with _room_for(path), _temporary(path) as (temporary, mode):
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(mode)  # safetensors has put a file of its own there
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """A new file beside `path`, held until it has gone; and its mode, which the umask decides."""
    remove_unfinished(path.parent, path.name)
    temporary, descriptor = _held_file(path)
    try:
        yield temporary, os.fstat(descriptor).st_mode & 0o777
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _held_file(path: Path) -> tuple[Path, int]:
    """Made and locked; `remove_unfinished` may have come between, and then it is made again."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _flock(descriptor, fcntl.LOCK_EX) and temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


@contextlib.contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """Say which file a full disk has no room for."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{path} cannot be written: the disk is full, or your quota of it; what was written "
            "before is whole: make room, and the same command goes on"
        ) from None


UNFINISHED = re.compile(r"\.(.+)\.[a-z0-9_]{8}", re.DOTALL)
"""The names of `replacing`'s temporary files."""


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove what kills have left in a folder of attempts to write, or to write one file.

    What another process is writing is held by it, and stays.
    """
    for left in folder.glob(".*"):
        match = UNFINISHED.fullmatch(left.name)
        if match and name in (None, match[1]) and left.is_file() and not left.is_symlink():
            with contextlib.suppress(FileNotFoundError), left.open("rb") as file:
                if _flock(file.fileno(), fcntl.LOCK_EX):
                    left.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON atomically."""
    write_text(path, to_json(value, indent=1, ascii_only=False) + "\n")


def to_json(value: Any, indent: int | None = None, ascii_only: bool = True) -> str:
    """A value as JSON, which has no NaN and no infinity: null stands for them."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def read_json(path: Path, shape: records.Shape | None = None) -> Any:
    """The value in a JSON file, None if there is no such file; `UserError` for a damaged one."""
    return records.read(path, shape)


# ---- plans ------------------------------------------------------------------------------------


def write_plan(plan: dict[str, Any]) -> None:
    """Make `plan` the last plan of its experiment."""
    folder = experiment_folder(plan["experiment"])
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, plan)


def read_plan(experiment: str) -> dict[str, Any]:
    """The last plan of an experiment; `UserError` if it was never run, or is no plan."""
    file = experiment_folder(experiment) / PLAN
    anew = f"to write it anew: make experiment NAME={experiment}"
    plan: dict[str, Any] | None = records.read(file, records.PLAN, anew)
    if plan is None:
        known = [path.parent.name for path in runs_root().glob(f"*/{PLAN}")]
        near = nearest(experiment, known)
        raise UserError(
            f"{experiment!r} has not been run in {runs_root()}{near}\n"
            f"       to run it: make experiment NAME={experiment}"
        )
    return plan


# ---- one run ----------------------------------------------------------------------------------


def prepare(folder: Path, config: str, tracking: dict[str, Any]) -> None:
    """Make a run folder with its config; of one that is there only the config is renewed.

    A folder's name has the run's id, so that a config can differ only in where photographs lie.
    That of a final run stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / TRACKING).exists():
        tracking_of(folder, folder.name[-10:], tracking)
    if not (folder / RESULT).exists():
        write_text(folder / CONFIG, config)


def tracking_of(folder: Path, run_id: str, new: dict[str, Any]) -> dict[str, Any]:
    """How W&B files a run: as it did at first, else as `new` says, with an id of the run's own."""
    if not (folder / TRACKING).exists():
        nonce = os.urandom(4).hex()
        write_json(folder / TRACKING, {"id": f"{run_id}-{nonce}", **new})
    return read_tracking(folder) or {}


def read_tracking(folder: Path) -> dict[str, Any] | None:
    """How W&B files a run, None where the folder has not been made."""
    tracking: dict[str, Any] | None = records.read(folder / TRACKING, records.TRACKING)
    return tracking


def state(folder: Path) -> State:
    """What became of a run, from its files alone; damaged: there is a result that says nothing."""
    locked = is_locked(folder)  # first: a run that ends now lets go of it after its result
    try:
        result = read_result(folder)
    except UserError:
        return "damaged"
    if result is not None:
        return "diverged" if result["status"] == "diverged" else "done"
    if locked:
        return "running"
    if (folder / ERROR).exists():
        return "crashed"
    return "interrupted" if (folder / ENV).exists() else "pending"


def read_result(folder: Path) -> dict[str, Any] | None:
    """The final result of a run, None while there is none."""
    result: dict[str, Any] | None = records.read(folder / RESULT, records.RESULT)
    return result


def evaluation(views: str) -> str:
    """The name of the file with a run's result on such views of the test images."""
    return f"eval-{views}.json"


def evaluations(folder: Path) -> dict[str, Path]:
    """The files with the results of a run on views of the test images, by the views' name."""
    paths = sorted(folder.glob(evaluation("*")))
    return {path.stem.removeprefix("eval-"): path for path in paths}


def write_error(folder: Path, message: str) -> None:
    """Record why a run crashed, if anything can be written there at all."""
    with contextlib.suppress(OSError, UserError):
        write_json(folder / ERROR, {"time": timestamp(), "message": message})


def read_error(folder: Path) -> str:
    """Why a run crashed; nothing where nothing was recorded."""
    try:
        crash = records.read(folder / ERROR, records.CRASH)
    except UserError as error:
        return str(error)
    return str(crash["message"]) if crash else ""


def read_starts(folder: Path) -> list[Row]:
    """What each start of a run was made with."""
    return list(records.read(folder / ENV, records.STARTS) or [])


def append_start(folder: Path, entry: Row) -> None:
    """Add an entry to the list of starts."""
    write_json(folder / ENV, [*read_starts(folder), {"time": timestamp(), **entry}])


def append_metrics(folder: Path, row: Row) -> None:
    """Append one row to the metrics, on disk when the function returns."""
    path = folder / METRICS
    with _room_for(path), path.open("a", encoding="utf-8") as file:
        file.write(to_json(row) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[Row]:
    """All rows of metrics, without lines that are damaged: `damaged_metrics` names them."""
    return [row for _, row, _ in _lines_of_metrics(folder) if row is not None]


def damaged_metrics(folder: Path) -> list[str]:
    """What is wrong with the metrics, line by line; a last line that a kill has torn is nothing."""
    lines = _lines_of_metrics(folder)
    return [f"{folder / METRICS}: line {i}: {why}" for i, (_, _, why) in enumerate(lines, 1) if why]


def _lines_of_metrics(folder: Path) -> list[tuple[bytes, Row | None, str]]:
    """Every whole line, its row, and why it is none."""
    try:
        lines = (folder / METRICS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [(line, *_row(line)) for line in lines]


def _row(line: bytes) -> tuple[Row | None, str]:
    try:
        return records.parse(line, records.METRICS), ""
    except ValueError as error:
        return None, str(error).removeprefix("line 1: ")


def last_step(folder: Path) -> int:
    """The step of the last whole row of metrics, 0 without any; reads the end of the file only."""
    try:
        with (folder / METRICS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    rows = (row for line in reversed(lines[:-1]) if (row := _row(line)[0]))
    return int(next(rows, {"step": 0})["step"])


def drop_metrics_after(folder: Path, step: int) -> None:
    """Keep the rows up to and including `step`, so that a resumed run writes none twice.

    Damaged lines are no rows: they are told, and put aside in `metrics.jsonl.damaged`.
    """
    path = folder / METRICS
    if not path.exists():
        return
    lines = _lines_of_metrics(folder)
    damaged = [line for line, row, _ in lines if row is None]
    if damaged:
        aside = path.with_name(f"{path.name}.damaged")
        print("\n".join([*damaged_metrics(folder), f"what is damaged is kept in {aside}"]))
        with _room_for(aside), aside.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in damaged))
    rows = [row for _, row, _ in lines if row is not None and row["step"] <= step]
    write_text(path, "".join(to_json(row) + "\n" for row in rows))


class Busy(Exception):
    """Another process holds the run's lock."""


@contextlib.contextmanager
def lock(folder: Path, patience: float = 2.0) -> Iterator[None]:
    """Hold the run; the kernel lets go of it however the process ends. Raises `Busy`.

    `patience`, in seconds, outlasts a reader that looks whether the lock is held.
    """
    with (folder / LOCK).open("w") as file:
        deadline = time.monotonic() + patience
        while not _flock(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise Busy(f"{folder} is being trained by another process")
            time.sleep(0.05)
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run."""
    try:
        with (folder / LOCK).open() as file:
            return not _flock(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# ---- W&B's logs -------------------------------------------------------------------------------


def unsent_logs(folder: Path) -> list[Path]:
    """A run's W&B logs that the server has not got, in the order of their starts.

    Every start has a folder `wandb/offline-run-<time>-<id>`, or `wandb/run-…` if it was online,
    with one log `run-<id>.wandb`; `wandb sync` puts `….synced` beside a log that it has sent.
    """
    logs = [
        *folder.glob("wandb/offline-run-*/run-*.wandb"),
        *(mark.with_suffix("") for mark in folder.glob("wandb/run-*/run-*.wandb.unsent")),
    ]
    unsent = [
        log for log in logs if log.exists() and not log.with_name(f"{log.name}.synced").exists()
    ]
    return sorted(unsent, key=lambda log: log.parent.name.removeprefix("offline-"))


def mark_unsent(log: Path) -> None:
    """Mark the log of an online start as not or not wholly sent."""
    log.with_name(f"{log.name}.unsent").touch()


def unmark_unsent(log: Path) -> None:
    """The server has got this log."""
    log.with_name(f"{log.name}.unsent").unlink()


# ---- what made it -----------------------------------------------------------------------------


@cache
def code_version() -> str:
    """Ten hexadecimal digits that change with the code that decides a run's result."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for room in ("config", "data", "models", "training"):
        for path in sorted((here / room).rglob("*.py")):
            digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:10]


def timestamp() -> str:
    """Now, in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
