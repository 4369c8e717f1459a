"""Frozen descriptions, the zoo, strict YAML, and the run's identity. No torch."""

from reslab.config.data import Data, Photographs, facts_of
from reslab.config.description import Description
from reslab.config.nets import DenseNet, Described, Foreign, ResNet
from reslab.config.recipe import Augmentation, Optimizer, Recipe, Schedule
from reslab.config.resolve import (
    config_file,
    config_names,
    read_run,
    resolve,
    resolve_use,
    validate,
)
from reslab.config.run import RunConfig, input_size
from reslab.config.strict_yaml import dump_yaml, flatten, load_yaml, merge, parse_assignment
from reslab.config.use import Use
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
    "Photographs",
    "Recipe",
    "ResNet",
    "RunConfig",
    "Schedule",
    "Use",
    "config_file",
    "config_names",
    "describe",
    "dump_yaml",
    "facts_of",
    "flatten",
    "input_size",
    "load_yaml",
    "merge",
    "parse_assignment",
    "read_run",
    "resolve",
    "resolve_use",
    "validate",
]
