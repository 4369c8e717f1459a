"""scripts/train.py that also writes down which images each process is trained on.

digests-RANK.json holds, for each micro-batch in turn, its step and a digest of every image with its
target, as the net is given them.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from reslab.errors import exit_code
from reslab.execution import Execution, place
from reslab.training.start import start


def main() -> int:
    config = Path(sys.argv[1])
    words = dict(word.lstrip("-").split("=") for word in sys.argv[2:])
    record(config.parent)
    execution = Execution(int(words["devices"]), int(words.get("micro-batch", 0)) or None)
    code = start(config, execution)
    from torch import distributed

    assert not distributed.is_initialized()  # the process has left its group
    return code


def record(folder: Path) -> None:
    from reslab.data.batches import TrainingBatches

    seen: list[tuple[int, list[str]]] = []
    augment = TrainingBatches.augmented_batch

    def augmented_batch(self: TrainingBatches, step: int, *read: Any) -> Any:
        images, targets, *more = augment(self, step, *read)
        pairs = zip(images.numpy(), targets.numpy(), strict=True)
        digests = [hashlib.sha256(i.tobytes() + t.tobytes()).hexdigest()[:16] for i, t in pairs]
        seen.append((step, digests))
        (folder / f"digests-{place().rank}.json").write_text(json.dumps(seen))
        return (images, targets, *more)

    TrainingBatches.augmented_batch = augmented_batch  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(exit_code(main))
