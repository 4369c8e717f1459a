"""Plans of a small experiment, and what is said of one that cannot be planned."""

from typing import Any

import pytest

from reslab.errors import UserError
from reslab.experiments.file import parse_experiment
from reslab.experiments.plan import expand
from reslab.store.plan import Options, Plan

BASE = {"data": "cifar10", "recipe": "he2015_cifar"}


TREE: dict[str, Any] = {
    "title": "Depth",
    "published": "he2015/table6",
    "base": BASE,
    "seeds": 3,
    "variants": {
        "plain-20": {"model": "plain20", "published": "none"},
        "ResNet 20": {"model": "resnet20"},
        "ResNet 110": {"model": "resnet110", "recipe": {"schedule": {"warmup_steps": 400}}},
    },
}
"""Small enough to read, with all that an experiment's file can say but a grid."""


def plan(tree: dict[str, Any] = TREE, **options: Any) -> Plan:
    return expand("depth", parse_experiment(tree, "file.yaml"), Options(**options), "file.yaml")


def one(override: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An experiment of one variant."""
    return {"base": BASE, "variants": {"only": {"model": "resnet20", **override}}, **more}


def refusal(tree: dict[str, Any] = TREE, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        plan(tree, **options)
    return str(caught.value)
