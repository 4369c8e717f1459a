"""The run folder: its states from its files alone, and no file that a kill can tear."""

import re
from pathlib import Path

import pytest
from tests.machines import held_by_a_process_of_before, machine
from tests.results import DONE

from reslab import disk, store
from reslab.config.resolve import read_run, resolve
from reslab.errors import UserError

CONFIG = resolve({"model": "resnet8_w8", "data": "digits", "recipe": "digits"}, "here")

# ---- names --------------------------------------------------------------------------------------


def test_runs_are_in_the_current_folder_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESLAB_RUNS", "/elsewhere")
    assert store.experiment_folder("mnist") == Path("/elsewhere/mnist")
    monkeypatch.setenv("RESLAB_RUNS", "")
    assert store.experiment_folder("mnist") == Path("runs/mnist")
    monkeypatch.delenv("RESLAB_RUNS")
    assert store.experiment_folder("mnist") == Path("runs/mnist")


@pytest.mark.parametrize("name", ["quickstart", "he2016_table2", "0.1-x", "train-resnet20"])
def test_a_word_is_an_experiments_name(name: str) -> None:
    assert store.experiment_folder(name).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "a b", "a\n", ".hidden", "-x", "é", "a*"]
)
def test_a_name_with_a_path_in_it_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{re.escape(repr(name))} is no experiment's name: a name"):
        store.experiment_folder(name)


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("ResNet 56 (C)", "resnet-56-c"),
        ("plain-20", "plain-20"),
        ("full pre-activation", "full-pre-activation"),
        ("lr 0.1, ×2", "lr-0-1-2"),
        ("../../etc", "etc"),
    ],
)
def test_a_slug_has_small_letters_digits_and_single_hyphens(label: str, slug: str) -> None:
    assert store.slug(label) == slug
    assert store.slug(slug) == slug


@pytest.mark.parametrize("label", ["", "???", "残差"])
def test_a_label_that_no_folder_could_be_named_by_is_refused(label: str) -> None:
    with pytest.raises(UserError, match="has no letter or digit"):
        store.slug(label)


# ---- a run's folder and its states --------------------------------------------------------------


def test_a_prepared_folder_has_a_config_and_an_id_of_its_own(tmp_path: Path) -> None:
    one, other = (tmp_path / place / "plain-20-s0-f666acc217" for place in ("here", "there"))
    for folder in (one, other):
        store.make_folder(folder, CONFIG, {"group": "mnist"})
    ids = [disk.read_json(folder / store.TRACKING)["id"] for folder in (one, other)]
    assert all(re.fullmatch(f"{CONFIG.run_id}-[0-9a-f]{{8}}", word) for word in ids)
    assert ids[0] != ids[1]
    assert disk.read_json(one / store.TRACKING)["group"] == "mnist"
    assert read_run(one / store.CONFIG) == CONFIG


def test_a_folder_that_is_there_learns_where_its_photographs_have_moved(tmp_path: Path) -> None:
    """Nothing else of a config can differ under the same id; a final run stays as it is."""
    a, b, c = (CONFIG.model_copy(update={"seed": seed}) for seed in range(3))
    store.make_folder(tmp_path, a, {})
    tracking = disk.read_json(tmp_path / store.TRACKING)
    store.make_folder(tmp_path, b, {"group": "other"})
    assert read_run(tmp_path / store.CONFIG) == b
    assert disk.read_json(tmp_path / store.TRACKING) == tracking
    disk.write_json(tmp_path / store.RESULT, DONE)
    store.make_folder(tmp_path, c, {})
    assert read_run(tmp_path / store.CONFIG) == b


def test_what_another_machine_is_writing_stays(tmp_path: Path) -> None:
    """That it is held cannot be seen there."""
    with store.lock(tmp_path), machine("node8"), disk.replacing(tmp_path / "last.ckpt") as writing:
        store.make_folder(tmp_path, CONFIG, {})
        assert writing.exists()
    writing.touch()
    store.make_folder(tmp_path, CONFIG, {})
    assert not writing.exists()


def test_a_folder_without_a_start_is_pending(tmp_path: Path) -> None:
    assert store.state(tmp_path / "missing") == "pending"
    store.make_folder(tmp_path, CONFIG, {})
    assert store.state(tmp_path) == "pending"


def test_a_run_is_running_while_its_lock_is_held(tmp_path: Path) -> None:
    store.append_start(tmp_path, {})
    with held_by_a_process_of_before(tmp_path):
        assert store.state(tmp_path) == "running"
    assert store.state(tmp_path) == "interrupted"


def test_a_run_that_starts_again_after_a_crash_is_running(tmp_path: Path) -> None:
    store.append_start(tmp_path, {})
    store.write_error(tmp_path, "out of memory")
    assert store.state(tmp_path) == "crashed"
    with store.lock(tmp_path):
        assert store.state(tmp_path) == "running"


def test_a_run_that_crashed_before_its_start_is_crashed(tmp_path: Path) -> None:
    store.write_error(tmp_path, "no such data set")
    assert store.state(tmp_path) == "crashed"
    assert disk.read_json(tmp_path / store.ERROR)["message"] == "no such data set"


def test_a_started_run_without_a_lock_or_an_error_is_interrupted(tmp_path: Path) -> None:
    store.append_start(tmp_path, {})
    (tmp_path / store.LOCK).touch()
    assert store.state(tmp_path) == "interrupted"


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_a_result_is_final_whatever_else_is_there(tmp_path: Path, status: str) -> None:
    store.append_start(tmp_path, {})
    store.write_error(tmp_path, "an earlier start")
    disk.write_json(tmp_path / store.RESULT, {**DONE, "status": status})
    with held_by_a_process_of_before(tmp_path):
        assert store.state(tmp_path) == status
    assert status in store.FINAL


def test_a_run_that_ends_while_it_is_looked_at_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is written before the lock is let go."""
    store.append_start(tmp_path, {})

    def ends_after(folder: Path) -> bool:
        disk.write_json(folder / store.RESULT, DONE)
        return True

    monkeypatch.setattr("reslab.store.folder.is_locked", ends_after)
    assert store.state(tmp_path) == "done"


def test_every_start_is_kept(tmp_path: Path) -> None:
    store.append_start(tmp_path, {"resumed": False})
    store.append_start(tmp_path, {"resumed": True})
    starts = disk.read_json(tmp_path / store.ENV)
    assert [start["resumed"] for start in starts] == [False, True]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", starts[0]["time"])


# ---- what made it -------------------------------------------------------------------------------


def test_a_run_is_filed_as_it_was_at_first_under_an_id_of_its_own(tmp_path: Path) -> None:
    first, again = (store.tracking_of(tmp_path, "0123456789", {"group": g}) for g in "ab")
    assert first == again
    assert first["id"].startswith("0123456789-") and first["group"] == "a"


def test_any_other_damaged_file_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / store.RESULT).write_text('{"status": "do')
    with pytest.raises(
        UserError, match=r"result\.json is damaged: .*; bring it back, or remove it"
    ):
        store.read_result(tmp_path)


# ---- damaged files ------------------------------------------------------------------------------


def test_a_run_with_a_damaged_result_has_a_state_of_its_own(tmp_path: Path) -> None:
    """It is not final, since nothing is known of it; nobody writes over it."""
    (tmp_path / store.RESULT).write_text('{"status": "done"')
    assert store.state(tmp_path) == "damaged"
    assert "damaged" not in store.FINAL


def test_a_damaged_error_is_itself_the_reason(tmp_path: Path) -> None:
    assert store.read_error(tmp_path) == ""
    store.write_error(tmp_path, "no memory")
    assert store.read_error(tmp_path) == "no memory"
    (tmp_path / store.ERROR).write_text("no")
    assert "error.json is damaged: line 1" in store.read_error(tmp_path)


def test_a_plan_is_made_whatever_the_files_that_it_does_not_need(tmp_path: Path) -> None:
    for name in (store.TRACKING, store.ENV, store.ERROR, store.METRICS):
        (tmp_path / name).write_text("{torn")
    store.make_folder(tmp_path, CONFIG, {})
    assert read_run(tmp_path / store.CONFIG) == CONFIG
