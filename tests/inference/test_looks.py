"""scripts/explain.py: pictures of a finished run, beside it, and nothing of it changed."""

from pathlib import Path

import pytest
from tests.small_runs import MakeRun, Script

from reslab import disk, store
from reslab.errors import UserError
from reslab.inference import looks
from reslab.inference.looks import Options, draw
from reslab.training.start import start

pytestmark = pytest.mark.process


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    """A run that is right sometimes."""
    config = make_run("a", {"recipe.steps": 20, "recipe.schedule.milestones": [10, 15]})
    assert start(config) == 0
    return config.parent


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_each_picture_lies_beside_the_run_of_which_nothing_changes(
    run: Path, script: Script
) -> None:
    before = files(run)
    for words in (["landscape", run, "--points=3", "--images=40"], ["filters", run]):
        code, output, _ = script("explain.py", *words)
        assert code == 0
        paths = [Path(line) for line in output.splitlines()]
        assert [path.suffix for path in paths] == [".png", ".svg", ".pdf"]
        assert all(path.parent == run / "explained" and path.stat().st_size for path in paths)
    assert files(run) == before
    found = disk.read_json(run / "explained" / "landscape.json")
    assert (found["run"], found["images"], found["seed"]) == (run.name, 40, 0)
    assert found["coordinates"] == [-1, 0, 1]


def test_the_middle_of_a_slice_over_all_training_images_is_the_runs_training_loss(
    run: Path, tmp_path: Path
) -> None:
    draw("landscape", run, tmp_path, Options(images=5000, points=3))
    found, result = disk.read_json(tmp_path / "landscape.json"), store.read_result(run)
    assert result is not None
    assert found["images"] == result["train"]["examples"]
    assert found["loss"][1][1] == pytest.approx(result["train"]["loss"], rel=1e-4)
    assert found["top1_error"][1][1] == pytest.approx(result["train"]["top1_error"], abs=0.1)


def test_a_sheet_has_images_that_are_right_and_wrong_and_all_stages(
    run: Path, tmp_path: Path
) -> None:
    draw("gradcam", run, tmp_path, Options())
    text = (tmp_path / "gradcam.svg").read_text()
    assert text.count(", said ") == looks.SHOWN
    assert all(f">{stage}<" in text for stage in ("stem", "layer1", "layer2", "layer3"))
    assert text.count("<image ") == 2 * looks.SHOWN * 5


def test_a_run_that_is_not_done_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(UserError, match=r"is pending; expected the folder of a run that is done"):
        draw("filters", make_run("a").parent, None, Options())


def test_an_even_number_of_points_is_refused(script: Script) -> None:
    code, _, errors = script("explain.py", "landscape", "a", "--points=4")
    assert code == 2 and "--points=4: expected an odd number, such as 5" in errors
