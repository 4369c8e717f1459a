"""The worst mistakes, and runs that kept no answers: evaluated once more, with the same answers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.report.conftest import Lab
from tests.small_runs import SMALL

from reslab import store
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.errors import UserError
from reslab.inference.mistakes import Mistake, answered, draw_mistakes, images_of_test, worst
from reslab.store.answers import Answers, read_answers
from reslab.store.folder import ANSWERS
from reslab.store.wrong import read_wrong, write_wrong
from reslab.training.start import start


def net(predicted: list[int], confidence: list[float]) -> Answers:
    """Of four images of classes 0, 1, 2 and 3."""
    classes = np.arange(4, dtype=np.uint16)
    return Answers(
        classes,
        np.array(predicted, np.uint16),
        np.array(confidence, np.float16),
        ("a", "b", "c", "d"),
    )


def test_the_worst_are_what_most_nets_get_wrong_and_then_what_they_are_surest_of() -> None:
    nets = [
        net([1, 1, 0, 0], [0.5, 1.0, 0.75, 1.0]),
        net([1, 1, 0, 3], [0.5, 1.0, 0.25, 1.0]),
        net([2, 1, 2, 3], [1.0, 1.0, 0.25, 1.0]),
    ]
    assert worst(nets) == [
        Mistake(0, 0, 1, pytest.approx(2 / 3), 3),
        Mistake(2, 2, 0, 0.5, 2),
        Mistake(3, 3, 0, 1.0, 1),
    ]
    assert [mistake.place for mistake in worst(nets, most=2)] == [0, 2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of eight steps on digits."""
    short = {"recipe.steps": 8, "recipe.schedule.milestones": [4]}
    config = resolve(merge(merge(SMALL, {}), short), "a")
    folder = tmp_path_factory.mktemp("runs") / "test" / f"a-s0-{config.run_id}"
    store.make_folder(folder, config, {"name": "a"})
    assert start(folder / store.CONFIG) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, the one run of an experiment."""
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path))
    return Path(shutil.copytree(trained, tmp_path / "test" / trained.name))


@pytest.mark.process
def test_what_a_run_keeps_is_what_its_net_answers(run: Path) -> None:
    kept = read_answers(run)
    assert kept is not None and len(kept.targets) == 360
    assert kept.class_names == tuple("0123456789")
    (run / ANSWERS).unlink()
    again = answered(run)
    for one, other in zip(kept[:2], again[:2], strict=True):
        assert one.tolist() == other.tolist()
    assert np.allclose(kept.confidence, again.confidence, atol=2e-3)
    assert read_answers(run) is not None


@pytest.mark.process
def test_a_net_that_answers_otherwise_here_is_refused(run: Path) -> None:
    (run / ANSWERS).unlink()
    wrong = read_wrong(run)
    one, other = np.flatnonzero(wrong)[0], np.flatnonzero(~wrong)[0]
    wrong[[one, other]] = [False, True]
    write_wrong(run, wrong)
    with pytest.raises(UserError, match=r"answers otherwise here .* on 2 of 360 images"):
        answered(run)
    assert not (run / ANSWERS).exists()


@pytest.mark.process
def test_the_sheet_shows_the_images_with_their_classes(run: Path) -> None:
    plan = store.read_plan("test")
    [path] = draw_mistakes(plan, kinds=["svg"])
    assert path == plan.home / "figures" / "mistakes.svg"
    drawn = path.read_text(encoding="utf-8")
    assert drawn.count("<image") == 24 and "1 of 1" in drawn and " → " in drawn
    images = images_of_test(run).evaluation_images(range(2))
    assert images.shape == (2, 1, 8, 8)


def test_a_plan_of_which_no_run_is_done_has_none() -> None:
    lab = Lab()
    lab.variant("a", {"model": "resnet20"})
    with pytest.raises(UserError, match="no run is done"):
        draw_mistakes(lab.plan())
