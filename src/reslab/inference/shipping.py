"""A finished run as a net that comes with the package: its weights, its row, its card.

The weights are what `inference.export` writes as safetensors, which carry the run's description.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from reslab import disk, store
from reslab.config.resolve import read_run
from reslab.config.shipped import FOLDER, TABLE, file_name
from reslab.config.strict_yaml import dump_yaml, load_yaml
from reslab.errors import UserError
from reslab.inference.export import export
from reslab.report.machines import machine
from reslab.report.protocol import TOPICS
from reslab.text import quoted, size

LICENCE = "MIT"
"""That of the repository, of which the weights are a part."""
LARGEST = 1_200_000
"""Bytes of a file of weights: a wheel is no store of them."""
NAME = re.compile(r"reslab:[a-z0-9_]+\.[a-z0-9_]+")


def ship(run: Path, name: str, folder: Path = FOLDER) -> list[Path]:
    """Put the net of a run into `folder` under a name, instead of what had it; what is written.

    `UserError` for a run that is not done, a name that is none, and weights that are too large.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"got {quoted(name)}; expected a name such as reslab:resnet20.cifar10")
    if store.state(run) != "done":
        raise UserError(f"{run} is {store.state(run)}; what ships is the net of a run that is done")
    weights, table = folder / file_name(name), folder / TABLE
    content = _safetensors(run, weights.name)
    digest = hashlib.sha256(content).hexdigest()
    row = {"sha256": digest, "size": len(content), "licence": LICENCE}
    rows = load_yaml(table) if table.exists() else {}
    card = weights.with_suffix(".md")
    disk.write_bytes(weights, content)
    disk.write_text(table, dump_yaml(dict(sorted({**rows, name: row}.items()))))
    disk.write_text(card, "\n".join(_card(run, name, len(content))))
    return [weights, table, card]


def _safetensors(run: Path, name: str) -> bytes:
    """What such a file of the run's net holds; `UserError` where that is too much."""
    with TemporaryDirectory() as folder:
        export(run, "safetensors", Path(folder) / name)
        content = (Path(folder) / name).read_bytes()
    if len(content) > LARGEST:
        raise UserError(f"{run} has weights of {size(len(content))}; at most {size(LARGEST)} ship")
    return content


def _card(run: Path, name: str, length: int) -> Iterator[str]:
    """How the net was trained and what it is worth, as Markdown."""
    config, result = read_run(run / store.CONFIG), store.read_result(run) or {}
    train, test = result["train"]["top1_error"], result["test"]
    start = store.read_starts(run)[-1]
    yield f"# {name}\n"
    yield (
        f"**{test['top1_error']:.2f} %** of {test['examples']:,} test images wrong, {train:.2f} % "
        f"of the training images, at the last step; seed {config.seed}. {size(length)}, "
        f"{LICENCE}.\n"
    )
    yield from (f"- {sentence}." for tell in TOPICS.values() if (sentence := tell(config)))
    told = [f"on {machine(start)}", f"torch {start.get('torch')}", f"run {config.run_id}"]
    yield f"- Made {', '.join(told)}, code {result['code']}.\n"
    yield f"    python scripts/evaluate.py {name}\n"
