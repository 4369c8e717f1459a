"""Runs that could not begin are named before any starts; a process is asked only where one could
be."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.jobs import job

from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.errors import UserError
from reslab.experiments import rehearse
from reslab.experiments.choice import pick
from reslab.experiments.jobs import Job
from reslab.experiments.rehearse import refuse_unfit, to_rehearse
from reslab.processes import NoAnswer


def planned(folder: Path, label: str, change: dict[str, Any], seed: int = 0, **more: Any) -> Job:
    made = job(folder / label, seed=seed)
    tree = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", "seed": seed}
    variant = replace(made.variant, label=label, slug="x")
    return replace(made, config=resolve(merge(tree, change), "here"), variant=variant, **more)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the process is asked, and what it answers."""
    found: dict[str, Any] = {"rows": [], "reasons": []}

    def answers(module: str, rows: list[Any]) -> list[Any]:
        assert module == "reslab.training.rehearsal"
        found["rows"] += rows
        return list(found["reasons"])

    monkeypatch.setattr(rehearse, "answers", answers)
    return found


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RESLAB_WEIGHTS with a file of a published name; nothing in it is read here."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet20-12fca82f.th").write_bytes(b"x")
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


FILE = {"start": "akamaster:resnet20"}


def test_one_run_of_each_variant_that_has_not_begun_is_tried(weights: Path) -> None:
    jobs = [
        planned(weights, "scratch", {}),
        planned(weights, "adapted", {"trains": "head"}),
        planned(weights, "all", FILE),
        planned(weights, "all", FILE, seed=1),
        planned(weights, "done", FILE, state="done"),
        planned(weights, "blocked", {"start": {"run": "0123456789"}}, state="blocked"),
        planned(weights, "theirs", {"model": "timm:resnet18", "trains": "head"}),
    ]
    lacking = planned(weights, "missing", {"start": "akamaster:resnet56"})
    begun = planned(weights, "begun", FILE)
    begun.folder.mkdir(parents=True)
    (begun.folder / "last.ckpt").write_bytes(b"x")
    found = to_rehearse([*jobs, begun, lacking], unread=[lacking.folder])
    assert [(one.variant.label, one.config.seed) for one in found] == [("all", 0), ("theirs", 0)]


def test_where_nothing_starts_from_weights_no_process_is_asked(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    refuse_unfit([planned(tmp_path, "scratch", {})])
    assert not asked["rows"]


def test_a_start_that_is_not_done_is_told_beside_the_run(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    parent = planned(tmp_path, "parent", {})
    on = {"start": {"run": parent.config.run_id}}
    child = planned(tmp_path, "child", on, state="waiting", rests={"start": parent.folder})
    asked["reasons"] = [None]
    refuse_unfit([parent, child])
    refuse_unfit([replace(parent, state="done"), child])
    waiting, ready = asked["rows"]
    assert waiting["folder"] == str(child.folder)
    assert waiting["start"]["folder"] == str(parent.folder)
    assert waiting["start"]["config"] == parent.config.model_dump(mode="json")
    assert "start" not in ready, "its checkpoint is read"


def test_all_that_does_not_fit_is_named_at_once_with_the_only_that_does_without(
    asked: dict[str, Any], weights: Path
) -> None:
    """Without those that start from it, too, since these would bring it back."""
    jobs = [planned(weights, label, FILE) for label in ("deep", "deep, too", "fine", "scratch")]
    on = {"start": {"run": "0123456789"}}
    child = planned(weights, "on deep", on, state="waiting", rests={"start": jobs[0].folder})
    labels = [one.variant.label for one in (*jobs, child)]
    picked = "deep*,fine,on deep"
    for only, planned_jobs, left in (
        (None, jobs, ["fine", "scratch"]),
        (picked, jobs[:3], ["fine"]),
    ):
        asked["reasons"] = [*["it does\n  not fit"] * 2, *[None] * (len(planned_jobs) - 1)]
        with pytest.raises(UserError) as caught:
            refuse_unfit([*planned_jobs, child], only)
        told = str(caught.value)
        assert told.startswith("nothing was started:\n")
        assert "deep, deep, too: it does\n         not fit" in told
        _, printed = told.split("without these: ")
        [word] = shlex.split(printed)
        assert pick(labels, word.removeprefix("ONLY=")) == left


def test_a_process_that_fails_keeps_no_run_from_starting(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> Any:
        raise NoAnswer("exit code 9")

    monkeypatch.setattr(rehearse, "answers", fails)
    refuse_unfit([planned(weights, "all", FILE)])
    assert (
        "warning: whether weights fit was not seen before: exit code 9" in capsys.readouterr().err
    )
