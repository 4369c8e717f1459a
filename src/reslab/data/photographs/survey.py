"""Which files of a folder are no images that can be decoded: found out once, before training.

Every file is decoded; what was found is kept under RESLAB_DATA/.reslab by the digest of the files'
names and sizes. Nothing is dropped silently: the files are told by name and number, and where they
are too many, nothing starts.
"""

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from reslab import disk
from reslab.config.datasets import cache_path
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.workers import chunks, in_workers
from reslab.errors import UserError
from reslab.folders import Listing
from reslab.text import printable, shortened

MOST_UNDECODABLE = 0.01
"""Part of the files that may be undecodable, unless `RESLAB_MAX_UNDECODABLE` says otherwise."""
MENDING = "mend or remove them, or set RESLAB_MAX_UNDECODABLE to a larger part of all, such as 0.05"
TOLD = 5
CHUNK = 32


@dataclass(frozen=True)
class Survey:
    """Of `files` files those that cannot be decoded, each with its reason, and where they stand."""

    files: int
    undecodable: dict[bytes, str]
    path: Path

    @property
    def decodable(self) -> int:
        """Files that are images."""
        return self.files - len(self.undecodable)

    def refuse(self) -> None:
        """`UserError` if more files than a run leaves out cannot be decoded."""
        if self.too_many:
            raise UserError(self.as_text())

    def tell(self, whose: str) -> None:
        """Say on stderr which of somebody's files cannot be decoded, if there are any."""
        if self.undecodable:
            print(f"{printable(whose)}: {self.as_text()}", file=sys.stderr, flush=True)

    @property
    def too_many(self) -> bool:
        """More than a run leaves out."""
        return len(self.undecodable) > most_undecodable() * self.files

    def as_text(self) -> str:
        """A few lines: how many, the first by name, where to read of all, and what to do."""
        bad, most = len(self.undecodable), f"{100 * most_undecodable():.3g} %"
        part = f"{100 * bad / self.files:.3g} %"
        end = f"{part}, more than the {most} that a run leaves out" if self.too_many else "left out"
        lines = [f"{bad:,} of {self.files:,} files cannot be decoded, {end}:", *self.first()]
        lines += [f"all of them: {printable(str(self.path))}"]
        lines += [MENDING] if self.too_many else []
        return "\n       ".join(lines)

    def first(self) -> list[str]:
        """A line for each of the first that cannot be decoded, and how many more there are."""
        lines = [f"{printable(os.fsdecode(name))}: {why}" for name, why in self.undecodable.items()]
        return lines[:TOLD] + ([f"and {len(lines) - TOLD:,} more"] if len(lines) > TOLD else [])


def most_undecodable() -> float:
    """The part of the files that may be undecodable, in [0, 1]."""
    wish = os.environ.get("RESLAB_MAX_UNDECODABLE")
    try:
        most = float(wish) if wish else MOST_UNDECODABLE
    except ValueError:
        most = -1
    if not 0 <= most <= 1:
        raise UserError(
            f"RESLAB_MAX_UNDECODABLE={shortened(wish or '')}: expected a part, from 0 to 1"
        )
    return most


def survey(listing: Listing, workers: int) -> Survey:
    """Decode every file that a run uses, or read what was found the last time."""
    names = [name for name, _ in listing.train + listing.test]
    path = cache_path(f"undecodable-{listing.digest}.json")
    with disk.locked(path):
        rows = disk.read_json(path)
        if rows is None:
            rows = _rows(listing.root, names, workers)
            disk.write_json(path, rows)
        elif len(rows) > most_undecodable() * len(names):  # nothing was trained on the others
            rows = [row for row in rows if _reason(listing.root / names[row["place"]])]
            disk.write_json(path, rows)
    found = {os.fsencode(names[row["place"]]): row["reason"] for row in rows}
    return Survey(len(names), found, path)


def _rows(root: Path, names: list[str], workers: int) -> list[dict[str, str | int]]:
    reasons: list[str | None] = []
    with tqdm(total=len(names), desc="decoding all once", unit="image", disable=None) as bar:
        for found in in_workers(partial(_reasons, root), chunks(names, CHUNK), workers):
            reasons += found
            bar.update(len(found))
    return [
        {"place": place, "file": printable(name), "reason": reason}
        for place, (name, reason) in enumerate(zip(names, reasons, strict=True))
        if reason
    ]


def _reasons(root: Path, names: list[str]) -> list[str | None]:
    return [_reason(root / name) for name in names]


def _reason(path: Path) -> str | None:
    try:
        decode(path)
    except Undecodable as reason:
        return str(reason)
    return None
