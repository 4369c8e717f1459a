"""A run in one process: what it leaves behind, and that it is a function of its description."""

from importlib.metadata import version
from typing import Any

import pytest
from tests.small_runs import MakeRun, same, stopped_at, weights, wrong_again

from reslab import disk, store
from reslab.config.resolve import read_run
from reslab.execution import Execution
from reslab.inference.evaluate import evaluate_file
from reslab.machine import processor_name
from reslab.store.wrong import read_wrong
from reslab.training.start import start

pytestmark = pytest.mark.process


def test_a_run_leaves_its_result_its_metrics_and_its_weights(make_run: MakeRun) -> None:
    config = make_run("a")
    assert start(config) == 0
    folder = config.parent
    result = store.read_result(folder)
    assert result is not None
    assert store.state(folder) == "done"
    assert (result["status"], result["step"], result["split"]) == ("done", 40, "test")
    assert (result["train"]["examples"], result["test"]["examples"]) == (1437, 360)
    assert result["test"]["top1_error"] == 100 * result["test"]["wrong"] / 360
    assert read_wrong(folder).sum() == result["test"]["wrong"]
    assert (result["params"], result["normalization_batch"]) == (19_074, 32)
    rows = store.read_metrics(folder)
    assert [row["step"] for row in rows if "train_loss" in row] == list(range(1, 41))
    assert [row["step"] for row in rows if "test_loss" in row] == [38, 40]
    assert [row["lr"] for row in rows if "lr" in row][19:21] == pytest.approx([0.1, 0.01])
    (entry,) = disk.read_json(folder / store.ENV)
    assert entry["code"] == result["code"] == store.code_version()
    assert (entry["devices"], entry["threads"], entry["resumed"]) == (1, 1, False)
    assert (entry["processor"], entry["runs_per_gpu"]) == (processor_name(), None)
    assert entry["run_id"] == read_run(config).run_id
    assert entry["timm"] == version("timm")  # nets and optimisers may be its


def test_the_images_that_a_run_keeps_as_wrong_are_those_that_its_net_gets_wrong(
    make_run: MakeRun,
) -> None:
    """As a second evaluation finds them, in the order of the test split."""
    config = make_run("a", {"recipe.steps": 8, "recipe.schedule.milestones": [4]})
    assert start(config) == 0
    wrong = wrong_again(config)
    assert 0 < sum(wrong) < 360
    assert read_wrong(config.parent).tolist() == wrong


def test_equal_descriptions_train_to_equal_bits_and_seeds_differ(make_run: MakeRun) -> None:
    one, again, other = make_run("one"), make_run("again"), make_run("other", {"seed": 1})
    for config in (one, again, other):
        start(config)
    assert same(weights(one), weights(again))
    assert not same(weights(one), weights(other))
    assert store.read_metrics(one.parent) == store.read_metrics(again.parent)


def test_a_stray_line_of_metrics_does_not_keep_a_run_from_its_end(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told and put aside; the run ends as the undisturbed one."""
    whole, cut = make_run("whole"), make_run("cut")
    start(whole)
    with stopped_at(9):
        assert start(cut) == 1
    metrics = cut.with_name(store.METRICS)
    metrics.write_text(metrics.read_text() + "somebody's note\n")
    assert start(cut) == 0
    assert "metrics.jsonl: line 10: Expecting value" in capsys.readouterr().out
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    assert metrics.with_name("metrics.jsonl.damaged").read_text() == "somebody's note\n"


def test_micro_batches_change_what_batchnorm_normalises_over_and_that_is_recorded(
    make_run: MakeRun,
) -> None:
    config = make_run("a", {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]})
    assert start(config, Execution(micro_batch=8)) == 0
    result = store.read_result(config.parent)
    assert result is not None
    assert (result["step"], result["normalization_batch"]) == (3, 8)
    rows = store.read_metrics(config.parent)
    assert [row["step"] for row in rows if "train_loss" in row] == [1, 2, 3]


def test_rows_of_a_run_killed_before_its_first_checkpoint_are_dropped(make_run: MakeRun) -> None:
    whole, cut = make_run("whole"), make_run("cut")
    start(whole)
    cut.with_name(store.METRICS).write_text('{"step": 1, "train_loss": 7.0}\n{"step": 2, "tra')
    start(cut)
    assert store.read_metrics(cut.parent) == store.read_metrics(whole.parent)


@pytest.mark.parametrize(
    ("override", "split", "tested"),
    [({}, "holdout", 237), ({"data.tested_on": "test"}, "test", 360)],
)
def test_held_out_images_are_not_trained_on_and_may_replace_the_test_set(
    override: dict[str, Any], split: str, tested: int, make_run: MakeRun
) -> None:
    config = make_run("a", {"data.holdout": 237, **override})
    start(config)
    result = store.read_result(config.parent)
    assert result is not None
    examples = [result[part]["examples"] for part in ("train", "test")]
    assert (result["split"], examples) == (split, [1200, tested])
    evaluated = evaluate_file(config.parent)
    assert (evaluated.split, evaluated.score.wrong) == (split, result["test"]["wrong"])
