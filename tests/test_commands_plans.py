"""Plans have names at the front door: a pilot takes the place of nothing, and each is read by the
words that made it."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.hostile.conftest import TINY
from tests.results import DONE
from tests.test_commands import arguments, cells

from reslab import commands, disk, store
from reslab.config.resolve import resolve
from reslab.errors import UserError
from reslab.mirror.dashboard import DASHBOARD
from reslab.mirror.sync import run_folders
from reslab.store.plan import Options, Plan

RESOLVE = import_module("reslab.config.resolve")
Printed = Callable[..., str]


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of two runs of four steps."""
    configs = tmp_path / "configs"
    shutil.copytree(RESOLVE.CONFIGS, configs)
    (configs / "experiments" / "tiny.yaml").write_text(TINY)
    monkeypatch.setattr(RESOLVE, "CONFIGS", configs)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What a command prints."""

    def call(command: Callable[..., int], *words: Any) -> str:
        capsys.readouterr()
        assert command(*words) == 0
        return capsys.readouterr().out

    return call


def planned(done: bool = False, **given: Any) -> Plan:
    """A plan of the tiny experiment that has been written, its runs done or not begun."""
    plan = commands.plan_of(arguments(name="tiny", **given))
    store.write_plan(plan)
    for folder in plan.folders() if done else ():
        disk.write_json(folder / store.RESULT, DONE)
    return plan


@pytest.mark.process
def test_a_pilot_leaves_the_table_and_the_figure_of_the_whole_alone(printed: Printed) -> None:
    """Trained, tabled and drawn; what two plans ask for is trained once."""
    runs = store.experiment_folder("tiny")
    printed(commands.run, arguments(name="tiny"))
    printed(commands.read, "figure", ["tiny"])
    drawn = ("figures/curves.png", "figures/curves.svg", "figures/curves.pdf")
    names = ("plan.json", "table.md", "table.csv", "runs.csv", *drawn)
    before = {name: (runs / name).read_bytes() for name in names}
    first = {folder: (folder / store.RESULT).stat().st_mtime_ns for folder in runs.glob("a-s*")}
    assert len(first) == 2

    printed(commands.run, arguments(name="tiny", budget=0.5, seeds=1))
    printed(commands.run, arguments(name="tiny", seeds=1))
    home = runs / "plans" / "budget=0.5+seeds=1"
    assert {name: (runs / name).read_bytes() for name in names} == before
    assert len([*runs.glob("a-s*")]) == 3  # the pilot's; the other's is that of the whole
    assert {folder: (folder / store.RESULT).stat().st_mtime_ns for folder in first} == first
    pilot = printed(commands.read, "table", ["tiny"], Options(budget=0.5, seeds=1))
    assert (home / "table.md").read_text("utf-8") in pilot
    assert cells(pilot, "a")[4] == "1/1" and "Options: BUDGET=0.5 SEEDS=1" in pilot
    told = printed(commands.read, "figure", ["tiny@budget=0.5+seeds=1"]).split()
    assert {str(home / name) for name in drawn} <= {*told}
    assert {Path(name).parent for name in told} == {home / "figures"}
    whole = printed(commands.read, "table", ["tiny"])
    assert whole.startswith(before["table.md"].decode())
    groups = {disk.read_json(file)["group"] for file in runs.glob(f"*/{store.TRACKING}")}
    assert groups == {"tiny"}


def test_a_plan_without_words_after_a_pilot_is_the_one_that_is_read(printed: Printed) -> None:
    pilot = planned(done=True, seeds=1)
    told = printed(commands.read, "table", ["tiny"])
    assert cells(told, "a")[4] == "1/1"
    assert told.endswith("tiny has no plan without words; this is the newest: tiny@seeds=1\n")
    planned()
    for command in ("table", "status", "figure"):
        told = printed(commands.read, command, ["tiny"])
        assert told.endswith("other plans: tiny@seeds=1 (1 of 1 runs done)\n")
        assert "newest" not in told
        for words in ((["tiny@seeds=1"],), (["tiny"], Options(seeds=1))):
            assert "plans:" not in printed(commands.read, command, *words)
    assert (pilot.home / "figures" / "curves.svg").exists()


def test_a_plan_with_a_name_of_its_own_goes_on_without_its_words(printed: Printed) -> None:
    pilot = planned(plan="pilot", budget=0.5, seeds=1)
    again = commands.plan_of(arguments(name="tiny", plan="pilot"))
    assert again == pilot and again.name == "tiny@pilot"
    assert "Options: BUDGET=0.5 SEEDS=1 PLAN=pilot" in printed(
        commands.read, "table", ["tiny"], Options(plan="pilot")
    )
    with pytest.raises(UserError, match=r"PLAN=pilot of tiny is BUDGET=0\.5 SEEDS=1; got SEEDS=2"):
        commands.plan_of(arguments(name="tiny", plan="pilot", seeds=2))


def test_a_plans_whole_name_is_not_run_and_the_words_are_said() -> None:
    planned(seeds=1, only="a")
    name = store.read_plan("tiny").name
    for asked, told in {
        name: "make experiment NAME=tiny SEEDS=1 ONLY=a",
        "tiny@budget=0.5+seeds=1": "make experiment NAME=tiny BUDGET=0.5 SEEDS=1",
    }.items():
        with pytest.raises(UserError, match=f"is the name of a plan; to run it: {told}$"):
            commands.plan_of(arguments(name=asked))


def test_plans_of_one_experiment_are_compared(printed: Printed) -> None:
    planned(done=True)
    planned(done=True, budget=2.0)
    planned(seeds=1)
    told = printed(commands.read, "compare", ["tiny", "tiny@budget=2", "tiny"])
    assert cells(told, "tiny")[1] == cells(told, "tiny@budget=2")[1] == "a"
    assert told.endswith("other plans: tiny@seeds=1 (1 of 1 runs done)\n")
    told = printed(commands.read, "compare", ["tiny"], Options(budget=2.0))
    assert "budget 2" in told and "other plans" not in told


def test_a_page_is_of_one_plan_or_of_several(printed: Printed) -> None:
    home = planned(done=True).home
    pilot = planned(done=True, budget=2.0)
    told = printed(commands.read, "page", ["tiny"])
    assert told == f"{home / 'page.html'}\nother plans: tiny@budget=2 (2 of 2 runs done)\n"
    told = printed(commands.read, "page", ["tiny"], Options(budget=2.0))
    assert told == f"{pilot.home / 'page.html'}\n"
    both = printed(commands.read, "page", ["tiny", "tiny@budget=2", "tiny"])
    assert both == f"{store.runs_root() / 'compare.html'}\n"
    assert (store.runs_root() / "compare.html").exists()


def test_without_a_name_all_plans_are_listed(printed: Printed) -> None:
    told = printed(commands.read, "status", [])
    assert "nothing has been run in" in told and "make experiment NAME=quickstart" in told
    planned(done=True)
    planned(budget=0.5, seeds=1)
    [mine] = ran_by_hand(".")
    with store.lock(mine):
        told = printed(commands.read, "status", [])
    assert cells(told, "tiny")[1:4] == ["2 of 2", "0", "0"]
    assert cells(told, "tiny@budget=0.5+seeds=1")[1:4] == ["0 of 1", "0", "0"]
    assert cells(told, "mine")[1:4] == ["0 of 1", "1", "0"]
    assert all(cells(told, name)[4].endswith(" s ago") for name in ("tiny", "mine"))
    assert "to read one: make status NAME=" in told
    with pytest.raises(UserError, match="SEEDS=1 is of an experiment; say NAME=…, too"):
        commands.read("status", [], Options(seeds=1))


def ran_by_hand(*names: str) -> list[Path]:
    folders = [store.experiment_folder("mine") / name for name in names]
    for seed, folder in enumerate(folders):
        tree = {"model": "resnet8_w8", "data": "digits", "recipe": "digits", "seed": seed}
        store.make_folder(folder, resolve(tree, "here"), {})
    return folders


def test_runs_that_nobody_planned_have_a_status_and_a_table(printed: Printed) -> None:
    folders = ran_by_hand("try-s0", "try-s1")
    for folder in folders:
        disk.write_json(folder / store.RESULT, DONE)
    told = printed(commands.read, "status", ["mine"])
    assert [cells(told, name)[1] for name in ("try-s0", "try-s1")] == ["done", "done"]
    told = printed(commands.read, "table", ["mine"])
    assert cells(told, "try")[4] == "2/2" and "published" not in told
    assert (store.experiment_folder("mine") / "table.md").exists()
    assert printed(commands.read, "figure", ["mine"]).count("curves.") == 3


def test_a_plan_is_sent_alone_and_an_experiment_with_all_its_plans() -> None:
    whole, pilot = planned(), planned(budget=0.5, seeds=1)
    every = sorted({*whole.folders(), *pilot.folders()})
    for folder in every:
        (folder / "wandb").mkdir()
    assert run_folders("tiny") == run_folders(None) == every
    for asked in (("tiny@budget=0.5+seeds=1",), ("tiny", Options(budget=0.5, seeds=1))):
        assert run_folders(*asked) == pilot.folders()
    with pytest.raises(UserError, match="SEEDS=1 is of an experiment; say NAME=…, too"):
        run_folders(None, Options(seeds=1))
    with pytest.raises(UserError, match="there is no plan 'tiny@seeds=2'"):
        run_folders("tiny", Options(seeds=2))


@pytest.mark.filterwarnings("ignore:Pydantic V1 style:DeprecationWarning:wandb_workspaces")
def test_a_plans_dashboard_lies_beside_it(printed: Printed) -> None:
    pilot = planned(seeds=1)
    whole = planned()
    told = printed(commands.dashboard, "tiny", Options(seeds=1))
    kept = disk.read_json(pilot.home / DASHBOARD)
    assert kept["workspace"]["displayName"] == "tiny@seeds 1"  # W&B takes no =
    assert "make dashboard NAME=tiny@seeds=1" in told
    assert not (whole.home / DASHBOARD).exists()
    printed(commands.dashboard, "tiny")
    assert disk.read_json(whole.home / DASHBOARD)["workspace"]["displayName"] == "tiny"


def test_results_are_kept_by_the_name_of_their_plan_and_the_page_is_written(
    printed: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(done=True, seeds=1)
    for run in plan.folders():
        disk.write_text(run / store.METRICS, '{"step": 4, "test_top1_error": 2.0}\n')
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    told = printed(commands.read, "results", ["tiny"], Options(seeds=1)).splitlines()
    assert told[0] == "results/tiny@seeds=1" and "docs/results.md" in told
    page = Path("docs/results.md").read_text("utf-8")
    assert "make experiment NAME=tiny SEEDS=1\n" in page
    assert printed(commands.read, "results", []) == "docs/results.md\n"
    assert Path("docs/results.md").read_text("utf-8") == page
    with pytest.raises(UserError, match="SEEDS=1 is of an experiment; say NAME="):
        commands.read("results", [], Options(seeds=1))
