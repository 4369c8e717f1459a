"""The plans of all experiments that ship, each read once for all tests."""

from functools import cache

from reslab.config import config_names
from reslab.experiments.plan import Options, Plan, read_plan_file

NAMES = config_names("experiments")


@cache
def plan(name: str) -> Plan:
    """An experiment's, with one seed."""
    return read_plan_file(name, Options(seeds=1))
