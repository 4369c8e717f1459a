"""How long runs will take: a rough model of a step's cost, corrected by runs that have finished.

It is a sum of arithmetic (multiply-adds), layers (each call costs something however small it is)
and start-up. The constants were measured on a two-core x86-64 machine and one data-centre GPU's
order of magnitude; where `runs/` has finished runs, their median ratio to the model corrects it.
"""

import statistics
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from reslab import store
from reslab.config.costs import cost
from reslab.config.data import facts_of
from reslab.config.nets import Opaque
from reslab.config.origins import net_of
from reslab.config.resolve import read_run
from reslab.config.run import RunConfig, input_size
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.experiments.slots import make_slots
from reslab.store.plan import Plan, Variant

STARTUP = 11.0
"""Seconds for imports, data and the last evaluation's overhead."""

RATE = {"cpu": 18e9, "gpu": 2e12}
"""Multiply-adds per second and slot: one CPU thread, or one GPU, in float32."""

LAYER = {"cpu": 8e-4, "gpu": 1.2e-4}
"""Seconds per weighted layer and training step, whatever its size."""


def work(config: RunConfig, multiply_adds: int, teachers: int = 0) -> float:
    """Multiply-adds of a run: three passes per training example and step, one per evaluated one;
    and one of its teacher, which has so many of its own, per training example.

    Where the head alone trains no more than one goes through the net. Of the test split's
    evaluations there are at most 40, and at most a tenth of three passes
    (`training.optimizers.evaluation_interval`); both splits are evaluated at the end. Held-out
    images that weights are chosen by are evaluated once per epoch.
    """
    facts, recipe = facts_of(config.data), config.scaled_recipe
    read = recipe.steps * recipe.batch_size
    evaluated = min(40 * facts.test, 3 * read / 10) + facts.train + facts.test
    if config.data.selected_on == "holdout":
        held = config.data.holdout
        evaluated += held * read / (facts.train - held)
    if recipe.objective.sees_twice:  # and is evaluated at the end alone
        return multiply_adds * (2 * 3 * read + facts.train + facts.test)
    passes = 1 if config.trains == ("head",) else 3
    return multiply_adds * (passes * read + evaluated) + teachers * read


def done(config: RunConfig, step: int, multiply_adds: int, teachers: int = 0) -> float:
    """Which part of a run's work is done at a step: at the last all but its last evaluation."""
    facts, cost = facts_of(config.data), max(1, multiply_adds)
    last = cost * (facts.train + facts.test) / work(config, cost, teachers)
    return step / config.scaled_recipe.steps * (1 - last)


def seconds(
    config: RunConfig, multiply_adds: int, device: str, threads: int, teachers: int = 0
) -> float:
    """The model's seconds for one run in a slot of `threads` CPU threads, or on a GPU."""
    rate = RATE[device] * (max(1, threads * 0.8) if device == "cpu" else 1)
    layers = config.model.layers * config.scaled_recipe.steps * LAYER[device]
    return STARTUP + layers + work(config, multiply_adds, teachers) / rate


def teachers_multiply_adds(plan: Plan, config: RunConfig) -> int:
    """Of a run's teacher, for one image; 0 without one, and where only its weights tell its net."""
    if config.teacher is None:
        return 0
    for variant in (*plan.variants, *plan.origins):
        if any(run.run_id == config.teacher.run for run in variant.runs):
            return variant.multiply_adds
    net = describe(net_of(config.teacher.name)) if config.teacher.name else None
    if net is None or isinstance(net, Opaque):
        return 0
    return cost(net, input_size(config)).multiply_adds


def correction(device: str) -> float:
    """Median of actual over modelled seconds of finished runs on such a device, 1 without any."""
    results = store.runs_root().glob(f"*/*/{store.RESULT}")
    newest = sorted(results, key=lambda path: path.stat().st_mtime)[-100:]
    ratios = [r for path in newest if (r := _ratio(path.parent, device)) is not None]
    return statistics.median(ratios) if ratios else 1.0


def _ratio(folder: Path, device: str) -> float | None:
    """None for a run that says nothing: not done at one go, on other devices, of another code, or
    with a teacher, whose work it does not tell."""
    try:
        result, starts = store.read_result(folder), store.read_starts(folder)
        config = read_run(folder / store.CONFIG)
    except UserError:  # a damaged file, or a field that this version does not know
        return None
    if result is None or result["status"] != "done" or len(starts) != 1 or config.teacher:
        return None
    found, took, macs = starts[0].get("device"), result.get("seconds"), result.get("multiply_adds")
    if not found or not took or not macs or starts[0].get("devices") != 1:
        return None
    if found.startswith("cpu") != (device == "cpu"):
        return None
    return float(took) / seconds(config, macs, device, starts[0].get("threads") or 1)


def seconds_more(plan: Plan, seeds: int) -> float | None:
    """Seconds for those runs of the first seeds that a plan has not, on this machine.

    None where that cannot be told: its folders are not there, or the devices that it is for.
    """
    variants = (*plan.variants, *plan.origins)
    lacking = {v.runs[0].name: max(0, seeds - _planned(v, seeds)) for v in variants}
    try:
        slots = make_slots(sum(lacking.values()), plan.options)
        device, cores = slots[0].device, slots[0].cores
        each = {
            v.runs[0].name: _seconds(plan, v, device, cores) if lacking[v.runs[0].name] else 0.0
            for v in variants
        }
    except (UserError, OSError):
        return None
    of = {run.name: v.runs[0].name for v in variants for run in v.runs}
    parents = {name: [of[parent] for parent in plan.parents(name)] for name in each}
    every = sum(lacking[name] * each[name] for name in each)
    return correction(device) * max(every / len(slots), longest_chain(each, parents))


K = TypeVar("K", bound=Hashable)


def longest_chain(seconds: Mapping[K, float], parents: Mapping[K, Iterable[K]]) -> float:
    """Seconds of the runs that can but follow each other, since each rests on the one before; no
    number of slots makes a plan shorter. Parents that are none of these have nothing to do."""
    ends = dict[K, float]()

    def end(run: K) -> float:
        if run not in ends:
            before = [end(parent) for parent in parents.get(run, ()) if parent in seconds]
            ends[run] = seconds[run] + max(before, default=0.0)
        return ends[run]

    return max(map(end, seconds), default=0.0)


def _planned(variant: Variant, seeds: int) -> int:
    """How many of the first seeds a variant has."""
    return sum(run.seed < seeds for run in variant.runs)


def _seconds(plan: Plan, variant: Variant, device: str, cores: int) -> float:
    """Of one run of a variant."""
    run = variant.runs[0]
    config = run.config or read_run(plan.folder / run.name / store.CONFIG)
    teachers = teachers_multiply_adds(plan, config)
    return seconds(config, variant.multiply_adds, device, cores, teachers)
