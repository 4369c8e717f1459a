"""Every experiment that ships runs: its smallest members through everything, its other nets a step.

Where the data are small enough to be at hand, one member for each of an experiment's recipes goes
from the plan to the table: on its real data set, of which a few images are left (photographs are
small), at batches of 8 and a budget of some steps, in one process. Every other net takes one
training step of its recipe's optimiser on random images, at reduced width.
"""

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tests.configs import shipped
from tests.configs.shipped import EXPERIMENTS
from tests.conftest import DECODING
from torch.nn import functional

from reslab import store
from reslab.config.nets import DenseNet, Described, Foreign, ResNet
from reslab.config.recipe import Recipe
from reslab.config.run import RunConfig
from reslab.data import sources
from reslab.data.sources import Source, open_source
from reslab.models.layers import Depths
from reslab.models.nets import build
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.store.plan import Plan, Run, Variant
from reslab.training.optimizers import build_optimizer
from reslab.training.start import start

pytestmark = [pytest.mark.slow, pytest.mark.process, DECODING]

AT_HAND = ("digits", "mnist", "cifar10", "imagenette_mini")
TRAIN, TEST = 64, 32
"""Images that are left of each data set."""
LARGE = 5e8
"""Multiply-adds of nets of which none is trained here."""


@cache
def plan(name: str) -> Plan:
    """The experiment with one seed, batches of 8 and a budget of three steps or little more."""
    whole = shipped.plan(name)
    variants = (with_config(v, shortened(v.configs[0])) for v in whole.variants)
    return dataclasses.replace(whole, variants=tuple(variants))


def with_config(variant: Variant, config: RunConfig) -> Variant:
    return dataclasses.replace(variant, runs=(Run.of(variant.slug, config),))


def shortened(config: RunConfig) -> RunConfig:
    recipe = config.recipe.model_copy(update={"batch_size": 8})
    data = config.data.model_copy(update={"holdout": min(config.data.holdout, TRAIN // 4)})
    return config.model_copy(update={"recipe": recipe, "data": data, "budget": 3 / recipe.steps})


def smallest(name: str) -> list[Variant]:
    """For each recipe the variant of fewest multiply-adds, on data at hand and not large."""
    at_hand = [v for v in plan(name).variants if is_at_hand(v.configs[0])]
    chosen: dict[Recipe, Variant] = {}
    for variant in sorted(at_hand, key=lambda v: v.multiply_adds):
        if variant.multiply_adds < LARGE:
            chosen.setdefault(variant.configs[0].recipe, variant)
    return [variant for variant in at_hand if variant in chosen.values()]


def is_at_hand(config: RunConfig) -> bool:
    """Whether all that a run reads is: weights of others are not."""
    origins = [origin for origin in (config.start, config.teacher) if origin is not None]
    return config.data.name in AT_HAND and all(origin.run is not None for origin in origins)


def with_starts(name: str, variants: list[Variant]) -> tuple[Variant, ...]:
    """Small variants after those that they rest on, whose runs have other ids when shortened."""
    label_of = {run.run_id: v.label for v in shipped.plan(name).variants for run in v.runs}
    whole = {variant.label: variant for variant in plan(name).variants}
    found: dict[str, Variant] = {}

    def find(variant: Variant) -> Variant:
        if variant.label not in found:
            config = variant.configs[0]
            for field in ("start", "teacher"):
                if (said := getattr(config, field)) is not None:
                    assert said.run is not None
                    parent = find(whole[label_of[said.run]]).configs[0]
                    origin = said.model_copy(update={"run": parent.run_id})
                    config = config.model_copy(update={field: origin})
            found[variant.label] = small(with_config(variant, config))
        return found[variant.label]

    for variant in variants:
        find(variant)
    return tuple(found.values())


def small(variant: Variant) -> Variant:
    """A variant on photographs with eight of each class, at half their size; others as they are."""
    config = variant.configs[0]
    photographs = config.recipe.photographs
    if photographs is None:
        return variant
    sides = {
        name: tuple(x // 2 for x in side) if isinstance(side, tuple) else side // 2
        for name, side in photographs.model_dump(
            include={"size", "shorter_side", "test_shorter_side"} - photographs.unread
        ).items()
    }
    recipe = config.recipe.model_copy(update={"photographs": photographs.model_copy(update=sides)})
    data = config.data.model_copy(update={"per_class": 8, "label_fraction": None})
    few = config.model_copy(update={"data": data, "recipe": recipe})
    return with_config(variant, few)


@pytest.fixture
def few_images(
    request: pytest.FixtureRequest,
    require_data: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[set[str]], None]:
    """`few_images({"cifar10"})`: runs in this process see the first images of real data sets, and
    all test photographs."""

    def open_few(name: str) -> Source:
        whole = opened(name)
        train, test = whole.train[torch.arange(TRAIN)], whole.test[torch.arange(TEST)]
        return dataclasses.replace(whole, train=train, test=test)

    def see_few(names: set[str]) -> None:
        for name in names - {"imagenette_mini"}:
            require_data(name)
        monkeypatch.setattr(sources, "open_source", open_few)
        if "imagenette_mini" in names:
            request.getfixturevalue("mini")

    return see_few


opened = cache(open_source)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if smallest(name)])
def test_an_experiment_runs_from_its_plan_to_its_table(
    name: str, few_images: Callable[[set[str]], None]
) -> None:
    variants = with_starts(name, smallest(name))
    members = dataclasses.replace(plan(name), variants=variants, edges={})
    few_images({variant.configs[0].data.name for variant in members.variants})
    store.write_plan(members)
    for _, folder, _ in members.runs():
        assert start(folder / "config.yaml") == 0
    lines = markdown(tabulate([members])).splitlines()
    for variant in members.variants:
        rows = [line for line in lines if line.startswith(f"| {variant.label} ")]
        assert any(" 1/1 " in row for row in rows), variant.label


def test_an_experiment_runs_through_the_front_door_and_a_second_call_trains_nothing(
    repository: Path,
) -> None:
    """The launcher and a process for the run, at 1 % of the quickstart's budget."""
    words = ["run", "quickstart", "--budget=0.01", "--seeds=1", "--only=plain-8"]
    first, second = (
        subprocess.run(
            [sys.executable, "scripts/experiment.py", *words],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        for _ in range(2)
    )
    for done in (first, second):
        assert done.returncode == 0, done.stderr
        assert re.search(r"^\| plain-8 .* 1/1 ", done.stdout, flags=re.MULTILINE)
    assert "1 of 1 run to do" in first.stdout
    assert "the run is final: nothing to train" in second.stdout


def narrow(net: Described) -> Described:
    """The net at an eighth of its width, or as near to it as its width and groups allow."""
    assert isinstance(net, ResNet | DenseNet)
    for factor in (8, 4, 2, 1):
        fields = {
            name: tuple(w // factor for w in value) if isinstance(value, tuple) else value // factor
            for name, value in net.model_dump(include={"widths", "stem_width", "growth"}).items()
        }
        try:
            return type(net).model_validate(net.model_dump() | fields)
        except ValidationError:
            continue
    raise AssertionError(f"{net} cannot be narrowed")


def others() -> Iterator[tuple[str, RunConfig, Described]]:
    """The nets of all experiments that no run above trains, each narrowed net once; other
    libraries' nets have their own tests."""
    seen: set[Described] = set()
    for name in EXPERIMENTS:
        trained = {variant.configs[0].model for variant in smallest(name)}
        for variant in plan(name).variants:
            config = variant.configs[0]
            if isinstance(config.model, Foreign):
                continue
            net = narrow(config.model.model_copy(update={"classes": 10}))
            if config.model not in trained and net not in seen:
                seen.add(net)
                yield f"{name}, {variant.label}", config, net


@pytest.mark.parametrize(
    ("config", "net"), [pytest.param(c, n, id=label) for label, c, n in others()]
)
def test_a_net_steps_at_reduced_width(config: RunConfig, net: Described) -> None:
    torch.manual_seed(0)
    module, side = build(net), 64 if config.data.name == "imagenet" else 32
    optimizer = build_optimizer(module, config.recipe.optimizer)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    Depths(module).draw((0,))
    logits = module(torch.randn(4, net.in_channels, side, side))
    functional.cross_entropy(logits, torch.arange(4)).backward()
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in module.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
