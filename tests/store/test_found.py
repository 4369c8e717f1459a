"""Runs that nobody planned are read as a plan."""

from pathlib import Path
from typing import Any

import pytest

from reslab import store
from reslab.config.costs import Complexity
from reslab.config.resolve import resolve
from reslab.store.found import found_plan


def ran(folder: str, **changes: Any) -> Path:
    """A run's description in runs/mine, as somebody puts one there."""
    tree = {"model": "resnet8_w8", "data": "digits", "recipe": "digits", **changes}
    made = store.experiment_folder("mine") / folder
    store.make_folder(made, resolve(tree, "here"), {})
    return made


def test_runs_that_differ_in_their_seeds_alone_are_one_variant() -> None:
    folders = [ran("wide-s0"), ran("wide-s1", seed=1), ran("deep", model="resnet20_w8")]
    plan = found_plan("mine")
    assert plan is not None and plan == store.read_plan("mine")
    assert plan.name == plan.experiment == "mine" and plan.home == store.experiment_folder("mine")
    deep, wide = plan.variants
    assert [(v.label, [run.seed for run in v.runs]) for v in (deep, wide)] == [
        ("deep", [0]),
        ("wide", [0, 1]),
    ]
    assert plan.folders() == [folders[2], *folders[:2]]
    assert deep.published is None and (wide.params, wide.multiply_adds) == (19_074, 189_248)


def test_nets_that_are_not_ours_are_counted_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process with torch, which takes seconds."""
    asked = list[Any]()

    def counted(nets: list[Any]) -> list[Complexity]:
        asked.append(nets)
        return [Complexity(1, 2) for _ in nets]

    monkeypatch.setattr("reslab.config.costs.counted_by_torch", counted)
    for name in ("resnet18", "resnet34"):
        ran(name, model=f"timm:{name}")
    plan = found_plan("mine")
    assert plan is not None and [variant.params for variant in plan.variants] == [1, 1]
    assert [len(nets) for nets in asked] == [2]


@pytest.mark.parametrize(
    ("names", "label"), [(("a_seed0", "a_seed1"), "a"), (("0", "1"), "0"), (("x", "x 2"), "x")]
)
def test_a_variant_is_called_by_its_first_folder_without_the_seed(
    names: tuple[str, str], label: str
) -> None:
    for seed, name in enumerate(names):
        ran(name, seed=seed)
    plan = found_plan("mine")
    assert plan is not None and [variant.label for variant in plan.variants] == [label]


def test_labels_differ_where_runs_do() -> None:
    """Different recipes under one name and two numbers."""
    for seed in (0, 1):
        ran(f"a-{seed}", seed=seed)
        ran(f"a-{seed + 2}", seed=seed, budget=0.5)
    plan = found_plan("mine")
    assert plan is not None and [v.label for v in plan.variants] == ["a-0", "a-2"]


def test_a_run_in_the_folder_itself_is_seen() -> None:
    folder = ran(".")
    plan = found_plan("mine")
    assert plan is not None and plan.folders() == [folder]
    assert [(v.label, plan.state(v.runs[0].name)) for v in plan.variants] == [("mine", "pending")]


def test_a_damaged_description_is_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    ran("good")
    bad = ran("bad")
    (bad / store.CONFIG).write_text("{torn")
    plan = found_plan("mine")
    assert plan is not None and [variant.label for variant in plan.variants] == ["good"]
    assert f"warning: {bad / store.CONFIG}" in capsys.readouterr().err


def test_where_nothing_was_run_there_is_nothing() -> None:
    assert found_plan("mine") is None
