"""`answers.npz`: what a run's net takes each test image for, in the order of the test set.

For confusion matrices, errors by class and the worst mistakes, without a second evaluation: the
class of each image, the class that the net answered, and its softmax there; the names of classes.
"""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reslab import disk
from reslab.errors import UserError
from reslab.store.folder import ANSWERS, RESULT, tested

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Answers(NamedTuple):
    """Of N test images in their order."""

    targets: "NDArray[np.uint16]"
    """(N,): their classes."""
    predicted: "NDArray[np.uint16]"
    """(N,): what they were taken for."""
    confidence: "NDArray[np.float16]"
    """(N,): the softmax of that class."""
    class_names: tuple[str, ...]

    @property
    def wrong(self) -> "NDArray[np.bool_]":
        """(N,)."""
        wrong: NDArray[np.bool_] = self.targets != self.predicted
        return wrong

    def confusion(self) -> "NDArray[np.int64]":
        """(classes, classes): how many images of a row's class were taken for a column's."""
        import numpy as np

        classes = len(self.class_names)
        places = self.targets.astype(np.int64) * classes + self.predicted
        return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def write_answers(folder: Path, answers: Answers) -> None:
    """Keep them; before the result, which is the last file. Equal answers, equal files."""
    import numpy as np

    arrays = answers._asdict() | {"class_names": np.array(answers.class_names)}
    with disk.replacing(folder / ANSWERS) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_answers(folder: Path) -> Answers | None:
    """Those of a finished run; None for one from before they were kept.

    `UserError` for a run that is not done, and for a file that is not what its result says.
    """
    said = tested(folder)
    if not (folder / ANSWERS).exists():
        return None
    answers = _read(folder / ANSWERS)
    if said != (len(answers.targets), int(answers.wrong.sum())):
        raise UserError(
            f"{folder / ANSWERS} is damaged: {answers.wrong.sum():,} of {len(answers.targets):,} "
            f"are wrong there, and in {RESULT} {said[1]:,} of {said[0]:,}; bring it back"
        )
    return answers


DAMAGED = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip
"""What numpy and zipfile say of a file that is no such archive."""


def _read(path: Path) -> Answers:
    import numpy as np

    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = [file[name] for name in Answers._fields[:3]]
            names = file["class_names"]
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: {error}; bring it back, or remove it") from None
    kinds = "".join(array.dtype.kind for array in (*arrays, names))
    alike = {array.shape for array in arrays} == {(arrays[0].size,)} and names.ndim == 1
    if kinds != "uufU" or not alike or any((a >= len(names)).any() for a in arrays[:2]):
        raise UserError(f"{path} is damaged: its arrays are not those of one set of images")
    targets, predicted, confidence = arrays
    return Answers(targets, predicted, confidence, tuple(names.tolist()))
