"""What a trained net sees in images of any kind: classes and their probabilities.

Images are made what the net was trained on: photographs are cropped as in the run's evaluation;
for the nets of small images the shorter side becomes theirs, the centre is taken, and colour
becomes grey where the data are grey. Resizing is bilinear with antialiasing.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.io import encode_png
from tqdm import tqdm

from reslab import disk
from reslab.data.batches import dtype_of
from reslab.data.photographs.decode import Undecodable, decode
from reslab.data.workers import chunks
from reslab.errors import UserError
from reslab.folders import is_looked_at
from reslab.inference.explain import beside, grad_cam
from reslab.inference.loaded import as_input
from reslab.inference.trained import trained
from reslab.models.precision import default_device
from reslab.report.csv_text import to_csv
from reslab.text import markdown_table, printable
from reslab.weights.about import refuse_untrained_head
from reslab.weights.given import NOTHING, Given

AT_ONCE = 32
"""Images that the net takes together."""

Guesses = tuple[tuple[str, float], ...]
"""Classes and their probabilities, the most probable first."""


@dataclass(frozen=True)
class Predictions:
    """What was seen in which file, and which files could not be read, and why."""

    guesses: dict[Path, Guesses]
    undecodable: dict[Path, str]
    explained: dict[Path, Path] = field(default_factory=dict)
    """Where it is drawn what the net looks at, if that was asked for."""

    def as_table(self) -> str:
        """Markdown: a row per guess, the file in the first of its rows."""
        rows = [
            (str(path) if place == 0 else "", name, f"{100 * probability:.2f} %")
            for path, guesses in self.guesses.items()
            for place, (name, probability) in enumerate(guesses)
        ]
        return markdown_table(["file", "class", "probability"], rows, numeric=[2])

    def as_csv(self) -> str:
        """A row per guess: file, rank from 1, class, probability."""
        rows = [
            (str(path), rank, name, probability)
            for path, guesses in self.guesses.items()
            for rank, (name, probability) in enumerate(guesses, 1)
        ]
        return to_csv(["file", "rank", "class", "probability"], rows).rstrip("\n")

    def as_json(self) -> str:
        """An object with `predictions` and `undecodable`, a list each; in ASCII, so that any file
        name can be printed and read back."""
        predictions: list[dict[str, Any]] = [
            {"file": str(path), "classes": [{"class": c, "probability": p} for c, p in guesses]}
            for path, guesses in self.guesses.items()
        ]
        undecodable = [{"file": str(p), "reason": reason} for p, reason in self.undecodable.items()]
        return disk.to_json({"predictions": predictions, "undecodable": undecodable}, indent=1)

    def tell(self, form: str) -> int:
        """Print as table, csv or json, and on stderr what cannot be decoded; the exit code: 2 where
        that is all, 1 where it is some."""
        if self.guesses or form != "table":
            print({"table": self.as_table, "json": self.as_json, "csv": self.as_csv}[form]())
        for path, drawn in self.explained.items():
            print(f"explained: {printable(str(path))}: {printable(str(drawn))}", file=sys.stderr)
        for path, reason in self.undecodable.items():
            print(f"cannot be decoded: {printable(str(path))}: {reason}", file=sys.stderr)
        return 2 if not self.guesses else 1 if self.undecodable else 0


@torch.no_grad()
def predict(
    images: Sequence[str],
    weights: Path,
    top: int,
    given: Given = NOTHING,
    explain: Path | None = None,
) -> Predictions:
    """The `top` most probable classes of each image, by a run's net, or by another that is given.

    `images` are files, folders (every file in them that `is_looked_at`, at any depth) and globs.
    Into the folder `explain` goes of each image what the net looks at, as a PNG. `UserError` where
    there are no images, where the weights do not say what they are, and where a net that is to be
    explained has no known stages.
    """
    if top < 1:
        raise UserError(f"--top {top}: expected at least one class")
    paths = image_files(images)
    net, about = trained(weights, given)
    refuse_untrained_head(weights, about)
    net, normalization = net.to(default_device()), about.normalization.to(default_device())
    dtype = dtype_of(about.use.precision)
    guesses: dict[Path, Guesses] = {}
    undecodable: dict[Path, str] = {}
    explained: dict[Path, Path] = {}
    for part in tqdm(chunks(paths, AT_ONCE), unit="batch", disable=None):
        decoded = _decoded(part, undecodable)
        if decoded:
            inputs = torch.stack([as_input(image, about.use) for image in decoded.values()])
            normalized = normalization(inputs.to(default_device()), dtype)
            logits = net(normalized)
            guesses |= zip(decoded, _guesses(logits, about.class_names, top), strict=True)
            if explain is not None:
                *_, cams = grad_cam(net, normalized, logits.argmax(1)).values()
                files = _files(explain, decoded, explained)
                for file, image, cam in zip(files.values(), inputs, cams, strict=True):
                    disk.write_bytes(file, encode_png(beside(image, cam)).numpy().tobytes())
                explained |= files
    return Predictions(guesses, undecodable, explained)


def _files(folder: Path, images: Iterable[Path], taken: Mapping[Path, Path]) -> dict[Path, Path]:
    """A file in a folder for each image, under its name: those of one name are numbered."""
    folder.mkdir(parents=True, exist_ok=True)
    found, names = dict[Path, Path](), {file.name for file in taken.values()}
    for path in images:
        numbered = (f"{path.stem}{f'-{n}' if n > 1 else ''}.png" for n in count(1))
        found[path] = folder / next(name for name in numbered if name not in names)
        names.add(found[path].name)
    return found


def _decoded(paths: Sequence[Path], undecodable: dict[Path, str]) -> dict[Path, Tensor]:
    """The images that can be decoded; the others are added to `undecodable`."""
    decoded = {}
    for path in paths:
        try:
            decoded[path] = decode(path)
        except (Undecodable, UserError) as error:
            undecodable[path] = str(error)
    return decoded


def _guesses(logits: Tensor, class_names: Sequence[str], top: int) -> Iterator[Guesses]:
    """For each row of logits (N, classes)."""
    values, indices = logits.softmax(1).topk(min(top, len(class_names)), 1)
    for probabilities, classes in zip(values.tolist(), indices.tolist(), strict=True):
        names = (class_names[label] for label in classes)
        yield tuple(zip(names, probabilities, strict=True))


def image_files(words: Sequence[str]) -> list[Path]:
    """The files that files, folders and globs name, each once; `UserError` for one without any."""
    found: dict[Path, None] = {}
    for word in words:
        paths = list(_named(word))
        if not paths:
            raise UserError(f"{word}: expected an image, a folder with images, or a glob of them")
        found |= dict.fromkeys(paths)
    return list(found)


def _named(word: str) -> Iterator[Path]:
    """A name that is there is taken as it is, whatever signs of a glob it has."""
    is_glob = has_magic(word) and not Path(word).exists()
    # Path.glob takes no absolute pattern.
    names = sorted(glob(word, recursive=True)) if is_glob else [word]  # noqa: PTH207
    for entry in map(Path, names):
        if entry.is_dir():
            inside = (file for file in sorted(entry.rglob("*")) if file.is_file())
            yield from (
                file for file in inside if all(map(is_looked_at, file.relative_to(entry).parts))
            )
        elif entry.is_file():
            yield entry
