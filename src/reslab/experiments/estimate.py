"""How long runs will take: a rough model of a step's cost, corrected by runs that have finished.

It is a sum of arithmetic (multiply-adds), layers (each call costs something however small it is)
and start-up. The constants were measured on a two-core x86-64 machine; of GPUs they are an order of
magnitude, with rates from data sheets where these are at hand (`cards`). Where `runs/` has runs
that were finished on the same device, their median ratio to the model corrects it.

Runs that share a GPU take as long as alone while it has time for all of them; from there on it is
what it does in all that counts.
"""

import statistics
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from reslab import store
from reslab.config.costs import cost
from reslab.config.data import facts_of
from reslab.config.nets import Opaque
from reslab.config.public_weights import net_of
from reslab.config.run import RunConfig, input_size
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.experiments.cards import card_called, rate, same_card
from reslab.experiments.slots import Slot, make_slots, slot_of
from reslab.store.described import read_config
from reslab.store.plan import Plan, Variant

STARTUP = 11.0
"""Seconds for imports, data and the last evaluation's overhead."""

RATE = {"cpu": 18e9, "gpu": 2e12}
"""Multiply-adds per second and slot: one CPU thread, or one GPU that is in no table of cards."""

LAYER = {"cpu": 8e-4, "gpu": 1.2e-4}
"""Seconds per weighted layer and training step, whatever its size: on a GPU most of it is the
processor's time, which starts about twenty kernels."""

LEARNT_FROM, LOOKED_AT = 30, 300
"""Runs that correct the model, the newest, and how many are looked at to find as many."""

KERNELS = 3e-5
"""Seconds of these in which such a layer's kernels keep a GPU busy, however little they do, unless
other processes' kernels run beside them."""


@dataclass(frozen=True)
class Work:
    """What a run computes: how much that is, and how long it takes by the model."""

    config: RunConfig
    multiply_adds: int
    """Of its net, for one image."""
    teachers: int = 0
    """Of its teacher's."""

    @property
    def total(self) -> float:
        """Multiply-adds: three passes per training example and step, one per evaluated one; and one
        of its teacher per training example.

        Where the head alone trains no more than one goes through the net. Of the test split's
        evaluations there are at most 40, and at most a tenth of three passes
        (`training.optimizers.evaluation_interval`); both splits are evaluated at the end. Held-out
        images that weights are chosen by are evaluated once per epoch.
        """
        config, facts, recipe = self.config, facts_of(self.config.data), self.config.scaled_recipe
        read = recipe.steps * recipe.batch_size
        evaluated = min(40 * facts.test, 3 * read / 10) + facts.train + facts.test
        if config.data.selected_on == "holdout":
            held = config.data.holdout
            evaluated += held * read / (facts.train - held)
        if recipe.objective.sees_twice:  # and is evaluated at the end alone
            return self.multiply_adds * (2 * 3 * read + facts.train + facts.test)
        passes = 1 if config.trains == ("head",) else 3
        return self.multiply_adds * (passes * read + evaluated) + self.teachers * read

    def done(self, step: int) -> float:
        """Which part of it is done at a step: at the last all but its last evaluation."""
        facts, known = facts_of(self.config.data), max(1, self.multiply_adds)
        last = known * (facts.train + facts.test) / replace(self, multiply_adds=known).total
        return step / self.config.scaled_recipe.steps * (1 - last)

    def seconds(self, slot: Slot) -> float:
        """Of one run in a slot, beside the others that share its GPUs."""
        mine, together = self.alone(slot), slot.runs * self.busy(slot)
        return STARTUP + (max(mine, together) if slot.gpus else mine)

    def alone(self, slot: Slot) -> float:
        """Of these without its start, on devices of its own."""
        return self._layers * LAYER[slot.device] + self.total / self._rate(slot)

    def busy(self, slot: Slot) -> float:
        """In how many of these a GPU computes, and has no time for another run."""
        kernels = 0.0 if slot.mps else KERNELS * self._layers
        return kernels + self.total / self._rate(slot)

    @property
    def _layers(self) -> int:
        """Weighted ones of all steps."""
        return self.config.model.layers * self.config.scaled_recipe.steps

    def _rate(self, slot: Slot) -> float:
        """Multiply-adds per second."""
        if not slot.gpus:
            return RATE["cpu"] * max(1, slot.cores * 0.8)
        card = card_called(slot.name)
        return RATE["gpu"] if card is None else rate(card, self.config.precision)


def work_of(plan: Plan, variant: Variant, config: RunConfig) -> Work:
    """Of a variant's run."""
    return Work(config, variant.multiply_adds, teachers_multiply_adds(plan, config))


def teachers_multiply_adds(plan: Plan, config: RunConfig) -> int:
    """Of a run's teacher, for one image; 0 without one, and where only its weights tell its net."""
    if config.teacher is None:
        return 0
    for variant in plan.every:
        if any(run.run_id == config.teacher.run for run in variant.runs):
            return variant.multiply_adds
    net = describe(net_of(config.teacher.name)) if config.teacher.name else None
    if net is None or isinstance(net, Opaque):
        return 0
    return cost(net, input_size(config)).multiply_adds


def correction(slot: Slot) -> float:
    """Median of actual over modelled seconds of the newest runs that have finished on the same
    device (a GPU, a processor of that name), 1 without any.

    Only those count whose steps had the form (eager, compiled) of the newest.
    """
    results = store.runs_root().glob(f"*/*/{store.RESULT}")
    newest = sorted(results, key=lambda path: path.stat().st_mtime, reverse=True)[:LOOKED_AT]
    found = (_ratio(path.parent, slot) for path in newest)
    told = list(islice((each for each in found if each is not None), LEARNT_FROM))
    return statistics.median(r for form, r in told if form == told[0][0]) if told else 1.0


def _ratio(folder: Path, slot: Slot) -> tuple[str | None, float] | None:
    """The form of a run's steps, if it is recorded, and its ratio; None for a run that says
    nothing: not done at one go, on other devices, of another code, or with a teacher, whose work it
    does not tell."""
    try:
        result, starts = store.read_result(folder), store.read_starts(folder)
    except UserError:  # a damaged file
        return None
    if result is None or result["status"] != "done" or len(starts) != 1:
        return None
    [start], took, macs = starts, result.get("seconds"), result.get("multiply_adds")
    if not start.get("device") or not took or not macs or start.get("devices") != 1:
        return None
    there = slot_of(start, slot.mps)
    if not _same_device(there, slot):
        return None
    try:
        run = read_config(folder)
    except UserError:  # damaged, or with a field that this version does not know
        return None
    return (
        None if run.teacher else (start.get("form"), float(took) / Work(run, macs).seconds(there))
    )


def _same_device(one: Slot, other: Slot) -> bool:
    """One without a name is taken for the same: of processors runs did not always record it."""
    named = bool(one.name and other.name)
    return one.device == other.device and (not named or same_card(one.name, other.name))


def seconds_more(plan: Plan, seeds: int) -> float | None:
    """Seconds for those runs of the first seeds that a plan has not, on this machine.

    None where that cannot be told: its folders are not there, or the devices that it is for.
    """
    lacking = {v.runs[0].name: max(0, seeds - _planned(v, seeds)) for v in plan.every}
    try:
        slots = make_slots(sum(lacking.values()), plan.options)
        each = {
            v.runs[0].name: _seconds(plan, v, slots[0]) if lacking[v.runs[0].name] else 0.0
            for v in plan.every
        }
    except (UserError, OSError):
        return None
    of = {run.name: v.runs[0].name for v in plan.every for run in v.runs}
    parents = {name: [of[parent] for parent in plan.parents(name).values()] for name in each}
    every = sum(lacking[name] * each[name] for name in each)
    return correction(slots[0]) * max(every / len(slots), longest_chain(each, parents))


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


def _seconds(plan: Plan, variant: Variant, slot: Slot) -> float:
    """Of one run of a variant."""
    run = variant.runs[0]
    config = run.config or read_config(plan.folder / run.name)
    return work_of(plan, variant, config).seconds(slot)
