"""Trained nets that come with the package, by names such as timm's: reslab:resnet20.cifar10.

Each is a safetensors file in shipped/, with a card beside it and a row in its table.yaml, all three
written by `inference.shipping`. No torch here.
"""

from functools import cache
from pathlib import Path

from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import Tree

LIBRARY = "reslab"
FOLDER = Path(__file__).resolve().parents[1] / "shipped"
TABLE = "table.yaml"


@cache
def shipped() -> Tree:
    """What there is by its name: `sha256`, `size` in bytes, `licence`."""
    return load_yaml(FOLDER / TABLE)


def shipped_file(name: str) -> Path | None:
    """Where the weights of a name lie; None for a name that is none of these."""
    return FOLDER / file_name(name) if name in shipped() else None


def file_name(name: str) -> str:
    """`resnet20.cifar10.safetensors` of reslab:resnet20.cifar10."""
    return f"{name.removeprefix(f'{LIBRARY}:')}.safetensors"
