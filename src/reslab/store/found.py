"""Runs that nobody planned, which `scripts/train.py` made in folders of their own, as a plan."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from reslab.config.costs import Complexity
from reslab.config.origins import CONFIG
from reslab.config.resolve import read_run
from reslab.config.run import RunConfig, costs_of
from reslab.errors import UserError
from reslab.store.folder import experiment_folder
from reslab.store.plan import Options, Plan, Run, Variant

Found = list[tuple[str, RunConfig]]
"""Runs by the names of their folders."""


def found_plan(experiment: str) -> Plan | None:
    """What was run in runs/<experiment>/*, or in runs/<experiment> itself; None where nothing was.

    Runs that differ in their seeds alone are one variant. A damaged description is told and left
    out.
    """
    variants: dict[str, Found] = {}
    for name, config in _configs(experiment_folder(experiment)):
        variants.setdefault(config.model_copy(update={"seed": 0}).run_id, []).append((name, config))
    if not variants:
        return None
    found = list(variants.values())
    costs = costs_of([config for (_, config), *_ in found])
    rows = tuple(map(_variant, _labels(experiment, found), found, costs))
    return Plan(experiment, experiment, None, Options(), rows)


def _configs(folder: Path) -> Iterator[tuple[str, RunConfig]]:
    for file in sorted([*folder.glob(CONFIG), *folder.glob(f"*/{CONFIG}")]):
        try:
            yield str(file.parent.relative_to(folder)), read_run(file)
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)


def _labels(experiment: str, variants: Sequence[Found]) -> list[str]:
    """Each is called by the folder of its first run, without the seed where it has several and that
    tells them apart."""
    whole = [experiment if found[0][0] == "." else found[0][0] for found in variants]
    short = [
        _without_seed(name) if len(found) > 1 else name
        for name, found in zip(whole, variants, strict=True)
    ]
    return [n if short.count(s) > 1 else s for n, s in zip(whole, short, strict=True)]


def _without_seed(name: str) -> str:
    """`wide` of wide-s0, wide_seed1 and `wide 2`; a name that is nothing else stays."""
    return re.sub(r"([-_. ]+(seed|s)?[-_. ]*)?[0-9]+$", "", name) or name


def _variant(label: str, found: Found, cost: Complexity) -> Variant:
    runs = tuple(Run("found", own.seed, own.run_id, own=name) for name, own in found)
    return Variant(label, "found", {}, None, None, cost.params, cost.multiply_adds, runs)
