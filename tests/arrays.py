"""Files of arrays for tests: twelve grey images of 8 × 8 pixels, four of each of three classes."""

from pathlib import Path
from typing import Any

import numpy as np

GREY = (np.arange(12 * 8 * 8) % 251).astype(np.uint8).reshape(12, 8, 8)
LABELS = np.arange(12) % 3
TEST_LABELS = np.array([0, 1, 1, 2, 2, 2])
"""Of the first six as a test split."""


def saved(file: Path, compressed: bool = False, **arrays: Any) -> Path:
    """The file with these arrays, as numpy writes it."""
    save: Any = np.savez_compressed if compressed else np.savez
    save(file, **arrays)
    return file
