"""`wrong.bin`: which test images a run's net gets wrong, a bit each in the order of the test set.

For comparisons on the same images (`report.mistakes`) without a second evaluation. How many images
there are stands in `result.json`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from reslab import disk
from reslab.errors import UserError
from reslab.store.folder import RESULT, WRONG, tested

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def write_wrong(folder: Path, wrong: "NDArray[np.bool_]") -> None:
    """Keep which of the test images, (N,), are wrong; before the result, which is the last file."""
    import numpy as np

    disk.write_bytes(folder / WRONG, np.packbits(wrong).tobytes())


def read_wrong(folder: str | Path) -> "NDArray[np.bool_]":
    """Which test images a finished run gets wrong: bool, (N,), in the order of the test set.

    `UserError` for a run that is not done, that was trained before runs kept this, or whose file is
    not what its result says.
    """
    import numpy as np

    folder = Path(folder)
    examples, count = tested(folder)
    path = folder / WRONG
    try:
        packed = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no {WRONG}, as runs from before it was kept; move the folder away, and "
            "the run is trained anew and has one"
        ) from None
    wrong = np.unpackbits(packed)[:examples].astype(bool)
    if len(packed) != -(-examples // 8) or wrong.sum() != count:
        raise UserError(
            f"{path} is damaged: it has {wrong.sum():,} wrong of {8 * len(packed):,} bits, and "
            f"{RESULT} {count:,} of {examples:,} images; bring it back"
        )
    return wrong
