"""Frozen descriptions, the zoo, strict YAML, and the run's identity. No torch."""

from reslab.config.nets import DenseNet, Described, Description, Foreign, ResNet
from reslab.config.resolve import config_file, config_names, read_run, resolve, validate
from reslab.config.schema import (
    Augmentation,
    Data,
    Optimizer,
    Recipe,
    RunConfig,
    Schedule,
)
from reslab.config.strict_yaml import dump_yaml, flatten, load_yaml, merge, parse_assignment
from reslab.config.zoo import ZOO, describe

__all__ = [
    "ZOO",
    "Augmentation",
    "Data",
    "DenseNet",
    "Described",
    "Description",
    "Foreign",
    "Optimizer",
    "Recipe",
    "ResNet",
    "RunConfig",
    "Schedule",
    "config_file",
    "config_names",
    "describe",
    "dump_yaml",
    "flatten",
    "load_yaml",
    "merge",
    "parse_assignment",
    "read_run",
    "resolve",
    "validate",
]
