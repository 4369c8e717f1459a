"""The run folder: names, files and states. The only thing between training and reading; no torch.

    runs/<experiment>/plan.json                         the plan without words, its table, …
    runs/<experiment>/plans/<words>/plan.json           another
    runs/<experiment>/<variant>-s<seed>-<run_id>/       one run

A run folder holds `config.yaml` and `tracking.json` from the start; training adds `env.json` (a
list, one entry per start), `start.json` (what it began with, if not from scratch), `teacher.json`
(whom it learns from, if from anybody), `metrics.jsonl`, `last.ckpt`, `lock`, `error.json`,
`diagnostics.jsonl` (where a run measures its net), `wrong.bin` (which test images are wrong, a bit
each), `answers.npz` (what each was taken for) and, last of all, `result.json`, which is never
rewritten; the launcher adds `log.txt`, and `job.json` where a cluster's job trains it. Evaluations
with other views of the test images, and of the net in int8, add files of their own,
`eval-ten_crop.json`, `eval-int8.json`, and times are in `latency.json`. A net of one's own has its
Python file there.
"""

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from reslab.config.nets import PythonNet
from reslab.config.origins import CONFIG
from reslab.config.python import beside, keep_source
from reslab.config.run import RunConfig
from reslab.config.start import CHECKPOINT
from reslab.config.strict_yaml import dump_yaml
from reslab.disk import read_json, remove_unfinished, write_json, write_text
from reslab.errors import UserError
from reslab.store import records
from reslab.store.owner import is_locked
from reslab.text import quoted

Row = dict[str, Any]
State = Literal[
    "pending",
    "waiting",
    "running",
    "done",
    "diverged",
    "crashed",
    "interrupted",
    "blocked",
    "damaged",
]
"""waiting: a run that it rests on is not done; blocked: one of these will not be."""
FINAL: frozenset[State] = frozenset({"done", "diverged"})

TRACKING = "tracking.json"
ENV = "env.json"
METRICS = "metrics.jsonl"
LOG = "log.txt"
ERROR = "error.json"
START = "start.json"
TEACHER = "teacher.json"
WRONG = "wrong.bin"
ANSWERS = "answers.npz"
DIAGNOSTICS = "diagnostics.jsonl"
LATENCY = "latency.json"
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


# ---- one run ----------------------------------------------------------------------------------


def no_start(folder: Path, became: State) -> str | None:
    """Why no run can start from one that became this, whatever is done; None where one can, or may
    yet."""
    if became in ("diverged", "damaged"):
        return f"{folder.name}, which is {became}"
    if became == "done" and not (folder / CHECKPOINT).exists():
        return (
            f"{folder.name}, whose {CHECKPOINT} is gone; bring it back, or move that run's folder "
            "away, and it is trained anew"
        )
    return None


def make_folder(folder: Path, config: RunConfig, tracking: dict[str, Any]) -> None:
    """Make a run folder with its config; of one that is there only the config is renewed.

    A folder's name has the run's id, so that a config can differ only in where photographs lie.
    That of a final run stays as it is. What kills have left of attempts to write goes, where nobody
    trains the run: of what is written on another machine it may not be seen that it is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not is_locked(folder):
        remove_unfinished(folder)
    if not (folder / TRACKING).exists():
        tracking_of(folder, config.run_id, tracking)
    if not (folder / RESULT).exists():
        text = dump_yaml(config.model_dump(mode="json"))
        if not is_there(folder / CONFIG, text):
            write_text(folder / CONFIG, text)
        keep_net(folder, config)


def is_there(path: Path, text: str) -> bool:
    """Whether a file holds this text: writing one anew waits for the disk."""
    try:
        return path.read_bytes() == text.encode("utf-8")
    except OSError:
        return False


def keep_net(folder: Path, config: RunConfig) -> RunConfig:
    """The run with the copy of its net's file in its folder, which is made if it is not there; any
    run but one of a net of one's own as it is."""
    if isinstance(config.model, PythonNet):
        keep_source(config.model, folder / Path(config.model.file).name)
    return beside(config, folder)


def tracking_of(folder: Path, run_id: str, new: dict[str, Any]) -> dict[str, Any]:
    """How W&B files a run: as it did at first, else as `new` says, with an id of the run's own."""
    if not (folder / TRACKING).exists():
        nonce = os.urandom(4).hex()
        write_json(folder / TRACKING, {"id": f"{run_id}-{nonce}", **new})
    return read_tracking(folder) or {}


def read_tracking(folder: Path) -> dict[str, Any] | None:
    """How W&B files a run, None where the folder has not been made."""
    tracking: dict[str, Any] | None = read_json(folder / TRACKING, records.TRACKING)
    return tracking


class Became(NamedTuple):
    """What became of a run, and what it says of itself where it is final."""

    state: State
    result: dict[str, Any] | None = None
    damage: str = ""
    """Of a result that says nothing."""


def became(folder: Path) -> Became:
    """What became of a run, from its files alone."""
    locked = is_locked(folder)  # first: a run that ends now lets go of it after its result
    try:
        result = read_result(folder)
    except UserError as error:
        return Became("damaged", damage=str(error))
    if result is not None:
        return Became("diverged" if result["status"] == "diverged" else "done", result)
    if locked:
        return Became("running")
    if (folder / ERROR).exists():
        return Became("crashed")
    return Became("interrupted" if (folder / ENV).exists() else "pending")


def state(folder: Path) -> State:
    """The same in a word."""
    return became(folder).state


def read_result(folder: Path) -> dict[str, Any] | None:
    """The final result of a run, None while there is none."""
    result: dict[str, Any] | None = read_json(folder / RESULT, records.RESULT)
    return result


def tested(folder: Path) -> tuple[int, int]:
    """How many test images a run's net was tested on, and how many of these are wrong; `UserError`
    for a run that is not done."""
    result = read_result(folder)
    if result is None or result["status"] != "done":
        raise UserError(f"{folder} has no {RESULT} of a run that is done: no net was tested there")
    return result["test"].get("examples", 0), result["test"].get("wrong", 0)


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


def read_begun(folder: Path, file: str = START) -> dict[str, Any] | None:
    """The weights that a run began with, or (`TEACHER`) learns from; None where it has not begun,
    or there are none."""
    begun: dict[str, Any] | None = read_json(folder / file, records.BEGUN)
    return begun


def read_error(folder: Path) -> str:
    """Why a run crashed; nothing where nothing was recorded."""
    try:
        crash = read_json(folder / ERROR, records.CRASH)
    except UserError as error:
        return str(error)
    return str(crash["message"]) if crash else ""


def read_starts(folder: Path) -> list[Row]:
    """What each start of a run was made with."""
    return list(read_json(folder / ENV, records.STARTS) or [])


def append_start(folder: Path, entry: Row) -> None:
    """Add an entry to the list of starts."""
    write_json(folder / ENV, [*read_starts(folder), {"time": timestamp(), **entry}])


def timestamp() -> str:
    """Now, in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
