"""From an origin to the tensors that it holds: the file is found or fetched, checked, and read.

Other people's servers only send files, which are checked by the digests that are known of them; our
own reader reads them, and nothing is ever unpickled.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.config.origins import bring, published_file, sha256_of
from reslab.config.start import Start
from reslab.errors import UserError, located
from reslab.weights.files import Weights, read_weights


@dataclass(frozen=True)
class Origin:
    """A file that a run starts from, as it lies there."""

    label: str
    path: Path
    digest: str
    """SHA-256 of its content."""


def find(start: Start, folder: Path, field: str = "start") -> Origin:
    """The file of an origin, for the run in `folder`; one that is missing is downloaded.

    `UserError` where it cannot be had, or is not what the run's description says.
    """
    path = parent_checkpoint(start.run, folder) if start.run else bring(start)
    digest = sha256_of(path)
    known = published_file(start)
    expected = known.digest if known else start.sha256 or ""
    if not digest.startswith(expected):
        told = f"{expected}{'…' if len(expected) < 64 else ''}"
        raise UserError(
            f"{path} is not what the run {READS[field]}: its SHA-256 is {digest}, expected {told}; "
            "bring that file back, or begin a new run"
        )
    return Origin(start.origin, path, digest)


READS = {"start": "starts from", "teacher": "is taught by"}
"""By the field of a run that says an origin."""


def parent_checkpoint(run_id: str, folder: Path) -> Path:
    """The checkpoint of the run that another starts from: a finished one in a folder beside its
    own. `UserError` where there is none."""
    beside = {one: store.state(one) for one in sorted(folder.resolve().parent.glob(f"*-{run_id}"))}
    for one, became in beside.items():
        if became == "done" and (one / store.CHECKPOINT).is_file():
            return one / store.CHECKPOINT
    for reason in filter(None, itertools.starmap(store.no_start, beside.items())):
        raise UserError(f"it starts from {reason}")
    found = [f"{one.name} is {became}" for one, became in beside.items()]
    raise UserError(
        f"the run that this one starts from is not done: "
        f"{found[0] if found else f'there is no *-{run_id}'} in {folder.resolve().parent}; "
        "train it first"
    )


def read_origin(start: Start, folder: Path, field: str = "start") -> tuple[Origin, Weights]:
    """What an origin holds, under our names; `field` is where a run says it."""
    origin = find(start, folder, field)
    with located(field):
        return origin, read_weights(origin.path, start.key)
