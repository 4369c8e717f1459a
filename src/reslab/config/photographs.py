"""The photographs of a run: where they lie, and that they are what was described. No torch.

What lies in any folder is `reslab.folders`' business.
"""

import hashlib
import os
from pathlib import Path

from reslab.config.data import Data, facts_of, folder_of
from reslab.config.datasets import cache_root, data_root
from reslab.errors import UserError, located
from reslab.folders import Listing, list_folder, splits
from reslab.text import printable

PREPARED = "store.json"
"""In the folder of a prepared store, which is whole if it has this file."""


def listing_of(data: Data) -> Listing:
    """The files that a run uses of its photographs.

    `UserError` if the folder is missing, is not what the data set is, or has changed since the run
    was described.
    """
    root = root_of(data)
    refuse_missing(data)
    with located(_whose(data)):
        part = data.per_class, data.test_fraction, data.split_seed, data.label_fraction
        found = list_folder(root, data.classes, *part)
        if data.files not in (None, found.digest):
            raise UserError(
                f"the files in {root} are not those of the run: their digest is {found.digest}, "
                f"the run's is {data.files} (data.files in its config.yaml); bring the files "
                "back, or begin a new run"
            )
        _check_counts(data, found)
    return found


def refuse_missing(data: Data) -> None:
    """`UserError` if the photographs of a run, one of their splits, or the store that they are to
    be read from, are not there at all."""
    root = root_of(data)
    with located(_whose(data)):
        if data.folder is None and not ((root / "train").is_dir() and (root / "val").is_dir()):
            raise UserError(
                f"expected {root}/train/<class>/<image> and {root}/val/<class>/<image>; "
                "photographs are not downloaded, see docs/your_own_images.md"
            )
        if data.files is not None and not root.is_dir():
            raise UserError(
                f"there is no folder {root}; if the photographs have moved, say where to, in the "
                "experiment or in the run's config.yaml"
            )
        splits(root, data.test_fraction)
    folder = data.prepared and prepared_folder(root, data.prepared)
    if folder and not (folder / PREPARED).exists():
        raise UserError(
            f"{folder} is not there, or not finished; to make it: {how_to_prepare(data)}"
        )


def prepared_folder(root: Path, shorter_side: int) -> Path:
    """Where the prepared store of a folder lies; see `reslab.data.photographs.prepared`.

    It is named by the folder, and by its path if that is not under the data's: the folders of two
    people's photographs may have the same name. What is no text in it is escaped, since safetensors
    opens no path but UTF-8's.
    """
    path = root.resolve()
    own = path.parent != data_root().resolve()
    mark = f"-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}" if own else ""
    return cache_root() / "prepared" / f"{printable(path.name)}{mark}-{shorter_side}"


def how_to_prepare(data: Data) -> str:
    """The command that makes the store that a run reads."""
    own = f" --folder '{data.folder}'" if data.folder else ""
    return f"python scripts/prepare.py {data.name}{own} --shorter-side {data.prepared}"


def root_of(data: Data) -> Path:
    """The folder of a data set of photographs."""
    return data_root() / folder_of(data)


def chosen_root(name: str, folder: Path | None) -> Path:
    """The folder of the photographs that a command line names; `UserError` if it is not there."""
    if (name == "imagefolder") != (folder is not None):
        raise UserError("--folder belongs to imagefolder, which needs it")
    if folder is None:
        data = Data.model_validate({"name": name})
        refuse_missing(data)
        return root_of(data)
    if not folder.is_dir():
        raise UserError(f"--folder {folder}: there is no such folder")
    return folder


def _whose(data: Data) -> str:
    own = data.folder is not None
    return "data.folder" if own else f"{data.name} belongs in RESLAB_DATA/{folder_of(data)}"


def _check_counts(data: Data, found: Listing) -> None:
    facts = facts_of(data)
    expected = {"classes": facts.classes, "train": facts.train, "test": facts.test}
    if (data.classes and not data.per_class) or data.label_fraction:
        del expected["train"]  # about
    for name, count in expected.items():
        there = len(getattr(found, name))
        if there != count:
            kind = "classes" if name == "classes" else f"{name} images"
            raise UserError(f"expected {count:,} {kind} in {found.root}, found {there:,}")
