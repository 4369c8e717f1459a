"""Every plan of an experiment has its own file, and none takes another's place."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.store.test_plan import keep, plan, written

from reslab import disk, store
from reslab.errors import UserError
from reslab.store.plan import Options, Plan
from reslab.store.plans import every_plan, read_plan_in, threads_for


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is a second younger than the one before, however coarse the disk's clock is."""
    write, seconds = disk.write_json, iter(range(1_000, 10_000))

    def dated(path: Path, value: Any) -> None:
        write(path, value)
        os.utime(path, (second := next(seconds), second))

    monkeypatch.setattr("reslab.store.plans.write_json", dated)


def made(**options: Any) -> Plan:
    found = plan(**options)
    store.write_plan(found)
    return found


def names_of(plans: list[Plan]) -> list[str]:
    return [each.name for each in plans]


# ---- written ------------------------------------------------------------------------------------


def test_a_pilot_does_not_touch_the_plan_without_words() -> None:
    whole = made()
    before = (whole.home / store.PLAN).read_bytes()
    pilot = made(budget=0.02, seeds=1)
    assert pilot.home == whole.folder / "plans" / "budget=0.02+seeds=1"
    assert (whole.home / store.PLAN).read_bytes() == before
    assert pilot.folders() == whole.folders()  # what runs are shared
    assert store.read_plan("mnist") == whole
    assert store.read_plan("mnist", Options(budget=0.02, seeds=1)) == pilot
    assert store.read_plan("mnist@budget=0.02+seeds=1") == pilot


def test_a_plan_that_is_written_again_writes_no_config_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor anything else of a run that is as it was."""
    whole = made()
    [first, second] = whole.folders()
    (second / store.CONFIG).write_text("of another version")
    written = list[Path]()
    write = disk.write_text
    monkeypatch.setattr(
        "reslab.store.folder.write_text",
        lambda path, text: (written.append(path), write(path, text)),
    )
    before = (first / store.CONFIG).read_bytes()
    made()
    assert written == [second / store.CONFIG]
    assert (first / store.CONFIG).read_bytes() == before


def test_many_folders_are_made_at_once_and_the_first_that_fails_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No plan is written over folders that are not there."""

    def full(folder: Path, *_: Any) -> None:
        raise UserError(f"{folder.name}: the disk is full")

    monkeypatch.setattr("reslab.store.plans.make_folder", full)
    with pytest.raises(UserError, match="the disk is full"):
        made()
    assert not (plan().home / store.PLAN).exists()


def test_a_small_plan_is_written_by_one_thread_and_a_large_one_by_many() -> None:
    assert list(map(threads_for, (1, 12, 80, 10_000))) == [1, 1, 10, 32]


def test_the_same_words_are_the_same_plan() -> None:
    made(budget=0.02, devices=2)
    made(budget=0.020, only="*")
    assert names_of(store.plans_of("mnist")) == ["mnist@budget=0.02"]
    assert store.read_plan("mnist").options.devices == 1


def test_a_plan_without_words_is_written_as_ever() -> None:
    """And so is what stands in a plan with words but for the name of its own."""
    told = json.loads((made().home / store.PLAN).read_text())
    assert "plan" not in told["options"]
    named = json.loads((made(plan="pilot", seeds=1).home / store.PLAN).read_text())
    assert named["options"] == told["options"] | {"plan": "pilot", "seeds": 1}


def test_a_name_of_its_own_keeps_its_words() -> None:
    pilot = made(plan="pilot", budget=0.02, seeds=1)
    assert pilot.name == "mnist@pilot"
    again = store.agreed("mnist", Options(plan="pilot", devices=2))
    assert again == replace(pilot.options, devices=2)
    assert store.agreed("mnist", pilot.options) == pilot.options
    assert store.read_plan("mnist", Options(plan="pilot")) == pilot
    assert store.read_plan("mnist", Options(plan="pilot", budget=0.020, seeds=1)) == pilot


@pytest.mark.parametrize(
    ("other", "told"),
    [({"budget": 0.1}, "BUDGET=0.1"), ({"budget": 1.0}, "BUDGET=1"), ({"seeds": 1}, "SEEDS=1")],
)
def test_a_name_of_its_own_with_other_words_is_refused_and_both_are_said(
    other: dict[str, Any], told: str
) -> None:
    before = made(plan="pilot", budget=0.02, seeds=1)
    message = rf"PLAN=pilot of mnist is BUDGET=0\.02 SEEDS=1; got {told}: say PLAN=pilot alone"
    for attempt in (store.agreed, store.read_plan):
        with pytest.raises(UserError, match=message):
            attempt("mnist", Options(plan="pilot", **other))
    with pytest.raises(UserError, match=message):
        made(plan="pilot", **other)
    assert store.plans_of("mnist") == [before]


def test_the_last_plan_of_before_goes_to_its_own_place_with_its_table() -> None:
    """Before plans had names the last one stood where the plan without words stands."""
    keep(written())
    last = store.read_plan("depth")
    assert last.home == last.folder and last.words.startswith("budget=0.02+seeds=1+set=")
    assert store.read_plan(last.name) == last
    for name in ("table.md", "figure.svg"):
        (last.home / name).write_text(name)
    whole = plan("depth")
    store.write_plan(whole)
    moved = store.read_plan(last.name)
    assert moved == last and moved.home == last.folder / "plans" / last.words
    assert {file.name for file in moved.home.iterdir()} == {store.PLAN, "table.md", "figure.svg"}
    assert not (whole.home / "table.md").exists()
    assert store.read_plan("depth") == whole


def test_a_plan_with_words_moves_that_of_before_too_and_is_not_moved_itself() -> None:
    keep(written())
    store.write_plan(store.read_plan("depth"))
    [same] = store.plans_of("depth")
    assert same.home == same.folder / "plans" / same.words
    assert not (same.folder / store.PLAN).exists()


def test_a_damaged_plan_makes_room_for_one_without_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = store.experiment_folder("mnist")
    folder.mkdir(parents=True)
    (folder / store.PLAN).write_text("{torn")
    pilot = made(seeds=1)
    assert store.plans_of("mnist") == [pilot]
    assert f"warning: {folder / store.PLAN} is damaged" in capsys.readouterr().err
    with pytest.raises(UserError, match="is damaged"):
        store.read_plan("mnist")
    assert store.read_plan("mnist@seeds=1") == pilot
    whole = made()
    assert store.read_plan("mnist") == whole


# ---- read ---------------------------------------------------------------------------------------


def test_without_words_the_newest_is_read_only_where_none_is_without() -> None:
    made(seeds=1)
    newest = made(seeds=2)
    assert store.read_plan("mnist") == newest
    whole = made()
    made(seeds=3)
    assert store.read_plan("mnist") == whole
    assert names_of(store.plans_of("mnist")) == [
        "mnist@seeds=1", "mnist@seeds=2", "mnist", "mnist@seeds=3",
    ]  # fmt: skip


def test_a_plan_that_is_not_there_is_answered_with_those_that_are_and_its_command() -> None:
    made()
    made(seeds=1)
    for asked in (("mnist@budget=0.1",), ("mnist", Options(budget=0.1))):
        with pytest.raises(UserError) as caught:
            store.read_plan(*asked)
        assert str(caught.value) == (
            f"there is no plan 'mnist@budget=0.1' in {store.runs_root()}; there are mnist, "
            "mnist@seeds=1\n       to run it: make experiment NAME=mnist BUDGET=0.1"
        )
    with pytest.raises(UserError, match=r"'mnits' has not been run in .*; did you mean mnist\?"):
        store.read_plan("mnits@seeds=1")


def test_words_are_said_once() -> None:
    made(seeds=1)
    with pytest.raises(UserError, match=r"NAME=mnist@seeds=1 has its words already; got BUDGET=2"):
        store.read_plan("mnist@seeds=1", Options(budget=2.0))


def test_a_plans_folder_that_was_renamed_is_a_plan_by_that_name() -> None:
    first = made(seeds=1)
    first.home.rename(first.home.with_name("for_the_paper"))
    read = store.read_plan("mnist@for_the_paper")
    assert read.name == "mnist@for_the_paper" and read.folders() == first.folders()
    assert read.home == first.home.with_name("for_the_paper")


def test_plans_of_a_folder_elsewhere_are_read_there(tmp_path: Path) -> None:
    made(seeds=1)
    elsewhere = tmp_path / "kept" / "mnist"
    elsewhere.parent.mkdir()
    store.experiment_folder("mnist").rename(elsewhere)
    read = read_plan_in(elsewhere)
    assert (read.name, read.home) == ("mnist@seeds=1", elsewhere / "plans" / "seeds=1")
    assert all(folder.parent == elsewhere for folder in read.folders())


def test_all_plans_of_all_experiments_are_found() -> None:
    store.write_plan(plan("b", seeds=1))
    store.write_plan(plan("a"))
    (store.runs_root() / ".hidden").mkdir()
    (store.runs_root() / "compare.md").write_text("")
    assert names_of(list(every_plan())) == ["a", "b@seeds=1"]


@pytest.mark.parametrize("last", [{}, written()])
def test_plans_that_are_written_at_once_are_all_there(last: dict[str, Any]) -> None:
    """Two launchers, and a plan of before that makes room for one of them."""
    if last:
        keep(last)
    every = [plan("depth"), *(plan("depth", seeds=seeds) for seeds in range(1, 8))]
    with ThreadPoolExecutor(8) as launchers:
        list(launchers.map(store.write_plan, every))
    there = {each.name: each for each in store.plans_of("depth")}
    assert [there[each.name] for each in every] == every
    assert len(there) == 8 + bool(last)


def test_a_plan_whose_words_are_none_is_told_beside_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As an edited file may have them."""
    good = made(seeds=1)
    bad = made(set=("precision=tf32",))
    told = json.loads((bad.home / store.PLAN).read_text())
    told["options"]["set"] = ["precision"]
    (bad.home / store.PLAN).write_text(json.dumps(told))
    assert store.plans_of("mnist") == [good]
    assert "warning: expected KEY=VALUE" in capsys.readouterr().err
