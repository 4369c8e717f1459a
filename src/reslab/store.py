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
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from reslab.errors import UserError, nearest

Row = dict[str, Any]
State = Literal["pending", "running", "done", "diverged", "crashed", "interrupted"]
FINAL: frozenset[State] = frozenset({"done", "diverged"})

PLAN = "plan.json"
PLAN_KEYS = frozenset({"experiment", "title", "options", "published", "variants"})
CONFIG = "config.yaml"
TRACKING = "tracking.json"
ENV = "env.json"
METRICS = "metrics.jsonl"
CHECKPOINT = "last.ckpt"
LOG = "log.txt"
LOCK = "lock"
ERROR = "error.json"
RESULT = "result.json"

BUSY = 3
"""Exit code of a process that leaves a run to another one, which is training it."""


def runs_root() -> Path:
    """The folder of all experiments: `RESLAB_RUNS`, else `runs` in the current folder."""
    return Path(os.environ.get("RESLAB_RUNS") or "runs")


def experiment_folder(experiment: str) -> Path:
    """runs/<experiment>; a name with a path in it is refused."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", experiment):
        raise UserError(
            f"{experiment!r} is no experiment's name: a name is a word of letters, digits, '_', "
            "'-' and '.', without a path"
        )
    return runs_root() / experiment


def slug(label: str) -> str:
    """A label as folders and W&B spell it: lower case, `[a-z0-9-]`."""
    word = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not word:
        raise UserError(
            f"the label {label!r} has no letter or digit that a folder could be named by"
        )
    return word


# ---- writing ----------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; what was written there is flushed and takes its place.

    A kill at any moment leaves the old file or the new one, never a torn one.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what kills have left of attempts to write `path`; nobody else may be writing it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file, None if there is no such file; `UserError` for a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}; bring it back, or remove it") from None


# ---- plans ------------------------------------------------------------------------------------


def write_plan(plan: dict[str, Any]) -> None:
    """Make `plan` the last plan of its experiment."""
    folder = experiment_folder(plan["experiment"])
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / PLAN, plan)


def read_plan(experiment: str) -> dict[str, Any]:
    """The last plan of an experiment; `UserError` if it was never run, or is no plan."""
    file = experiment_folder(experiment) / PLAN
    plan = read_json(file)
    if plan is None:
        known = [path.parent.name for path in runs_root().glob(f"*/{PLAN}")]
        near = nearest(experiment, known)
        raise UserError(
            f"{experiment!r} has not been run in {runs_root()}{near}\n"
            f"       to run it: make experiment NAME={experiment}"
        )
    if not isinstance(plan, dict) or not plan.keys() >= PLAN_KEYS:
        raise UserError(
            f"{file} is damaged: expected {', '.join(sorted(PLAN_KEYS))}\n"
            f"       to write it anew: make experiment NAME={experiment}"
        )
    return plan


# ---- one run ----------------------------------------------------------------------------------


def prepare(folder: Path, config: str, tracking: dict[str, Any]) -> None:
    """Make a run folder with its config; of one that is there only the config is renewed.

    A folder's name has the run's id, so that a config can differ only in where photographs lie.
    That of a final run stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tracking_of(folder, folder.name[-10:], tracking)
    if not (folder / RESULT).exists():
        write_text(folder / CONFIG, config)


def tracking_of(folder: Path, run_id: str, new: dict[str, Any]) -> dict[str, Any]:
    """How W&B files a run: as it did at first, else as `new` says, with an id of the run's own."""
    if not (folder / TRACKING).exists():
        nonce = os.urandom(4).hex()
        write_json(folder / TRACKING, {"id": f"{run_id}-{nonce}", **new})
    return dict(read_json(folder / TRACKING))


def state(folder: Path) -> State:
    """What became of a run, from its files alone."""
    locked = is_locked(folder)  # first: a run that ends now lets go of it after its result
    result = read_result(folder)
    if result is not None:
        return "diverged" if result["status"] == "diverged" else "done"
    if locked:
        return "running"
    if (folder / ERROR).exists():
        return "crashed"
    return "interrupted" if (folder / ENV).exists() else "pending"


def read_result(folder: Path) -> dict[str, Any] | None:
    """The final result of a run, None while there is none."""
    result: dict[str, Any] | None = read_json(folder / RESULT)
    return result


def evaluation(views: str) -> str:
    """The name of the file with a run's result on such views of the test images."""
    return f"eval-{views}.json"


def read_evaluations(folder: Path) -> dict[str, dict[str, Any]]:
    """The results of a run on views of the test images, by the views' name."""
    paths = sorted(folder.glob(evaluation("*")))
    return {path.stem.removeprefix("eval-"): read_json(path) for path in paths}


def write_error(folder: Path, message: str) -> None:
    """Record why a run crashed."""
    write_json(folder / ERROR, {"time": timestamp(), "message": message})


def append_start(folder: Path, entry: Row) -> None:
    """Add an entry to the list of starts."""
    write_json(folder / ENV, [*(read_json(folder / ENV) or []), {"time": timestamp(), **entry}])


def append_metrics(folder: Path, row: Row) -> None:
    """Append one row to the metrics, on disk when the function returns."""
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[Row]:
    """All rows of metrics; a last line that a kill has torn is left out."""
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:-1]]


def last_step(folder: Path) -> int:
    """The step of the last whole row of metrics, 0 without any; reads the end of the file only."""
    try:
        with (folder / METRICS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0


def drop_metrics_after(folder: Path, step: int) -> None:
    """Keep the rows up to and including `step`, so that a resumed run writes none twice."""
    rows = [row for row in read_metrics(folder) if row["step"] <= step]
    if (folder / METRICS).exists():
        write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))


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
