"""A run in one process: what it leaves behind, and that it is a function of its description."""

import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.conftest import MakeRun

from reslab import load, store
from reslab.config import read_run
from reslab.config.execution import Execution
from reslab.errors import UserError
from reslab.models import build
from reslab.training.evaluate import evaluate_file
from reslab.training.group import refuse_fused_norms
from reslab.training.ranks import timeout
from reslab.training.start import start

pytestmark = pytest.mark.process


def weights(config: Path) -> dict[str, torch.Tensor]:
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    return dict(held["state_dict"])


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


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
    assert (result["params"], result["normalization_batch"]) == (19_074, 32)
    rows = store.read_metrics(folder)
    assert [row["step"] for row in rows if "train_loss" in row] == list(range(1, 41))
    assert [row["step"] for row in rows if "test_loss" in row] == [38, 40]
    assert [row["lr"] for row in rows if "lr" in row][19:21] == pytest.approx([0.1, 0.01])
    (entry,) = store.read_json(folder / store.ENV)
    assert entry["code"] == result["code"] == store.code_version()
    assert (entry["devices"], entry["threads"], entry["resumed"]) == (1, 1, False)
    assert entry["run_id"] == read_run(config).run_id
    assert entry["timm"] == version("timm")  # nets and optimisers may be its


def test_a_run_of_one_process_asks_nothing_of_slurm(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `sbatch -n 4`, say, whose words are about all that the job starts."""
    for word, value in (("NTASKS", "4"), ("JOB_ID", "1"), ("JOB_NAME", "a"), ("PROCID", "2")):
        monkeypatch.setenv(f"SLURM_{word}", value)
    assert start(make_run("a", {"recipe.steps": 31})) == 0


def test_the_net_that_is_loaded_makes_the_errors_of_the_result(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    net = load(config.parent)
    assert not net.training
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    result = store.read_result(config.parent)
    assert result is not None
    assert evaluate_file(config.parent).score.wrong == result["test"]["wrong"]


def test_equal_descriptions_train_to_equal_bits_and_seeds_differ(make_run: MakeRun) -> None:
    one, again, other = make_run("one"), make_run("again"), make_run("other", {"seed": 1})
    for config in (one, again, other):
        start(config)
    assert same(weights(one), weights(again))
    assert not same(weights(one), weights(other))
    assert store.read_metrics(one.parent) == store.read_metrics(again.parent)


def test_a_run_does_not_go_on_as_another(make_run: MakeRun) -> None:
    """Weights of one description, or of other photographs, are not trained on as another's."""
    config = make_run("a")
    store.append_start(config.parent, {"run_id": "0123456789"})
    with pytest.raises(UserError, match=r"was begun as run 0123456789: the description has chang"):
        start(config)
    assert store.state(config.parent) == "interrupted"


def test_a_final_run_is_left_as_it_is(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_run("a", {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]})
    start(config)
    before = {p.name: p.stat().st_mtime_ns for p in config.parent.iterdir() if p.name != "lock"}
    assert start(config) == 0
    after = {p.name: p.stat().st_mtime_ns for p in config.parent.iterdir() if p.name != "lock"}
    assert before == after
    assert "is final: done" in capsys.readouterr().out


def test_a_run_that_another_process_trains_is_left_to_it(make_run: MakeRun) -> None:
    config = make_run("a")
    with store.lock(config.parent):
        assert start(config) == store.BUSY


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(make_run: MakeRun) -> None:
    config = make_run("a", {"recipe.optimizer.lr": 1e30})
    assert start(config) == 0
    assert store.state(config.parent) == "diverged"
    result = store.read_result(config.parent)
    assert result is not None
    assert result["step"] < 40
    assert result["lr"] == 1e30
    assert not math.isfinite(float(result["loss"]))
    assert "test" not in result


def test_an_error_is_recorded_and_the_next_try_clears_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_run("a", {"recipe.steps": 3, "recipe.schedule.milestones": [1, 2]})
    from reslab.training import run

    with monkeypatch.context() as broken:
        broken.setattr(run, "initialised", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start(config)
    assert store.state(config.parent) == "crashed"
    assert "division" in store.read_json(config.with_name(store.ERROR))["message"]
    assert start(config) == 0
    assert store.state(config.parent) == "done"


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_memory_that_runs_out_names_the_batch_and_a_smaller_one(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    from reslab.training.classifier import Classifier

    def run_out(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Classifier, "training_step", run_out)
    with pytest.raises(UserError) as refusal:
        start(make_run("a"), Execution(micro_batch=16))
    assert str(refusal.value).splitlines() == [
        "out of memory with 16 of the 32 examples of a batch at once in each of 1 process(es); "
        "MICRO_BATCH=8 (--micro-batch 8) needs less",
        f"       {error}",
    ]


@pytest.mark.parametrize("step", ["validation_step", "test_step"])
def test_memory_that_runs_out_in_an_evaluation_is_not_the_batchs_fault(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from reslab.training.classifier import Classifier

    def run_out(*_: Any) -> None:
        raise OUT_OF_MEMORY[0]

    monkeypatch.setattr(Classifier, step, run_out)
    with pytest.raises(UserError, match="out of memory in an evaluation, which a smaller batch"):
        start(make_run("a"))


def test_more_devices_than_there_are_are_refused(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    config = make_run("a")
    with pytest.raises(UserError, match=r"DEVICES=8, .* has no GPU, and 2 CPU core\(s\)"):
        start(config, Execution(8))
    assert store.state(config.parent) == "pending"


def test_synchronised_batchnorm_is_refused_on_a_cpu(make_run: MakeRun) -> None:
    with pytest.raises(UserError, match="--sync-batchnorm needs GPUs"):
        start(make_run("a"), Execution(sync_batchnorm=True))


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


@pytest.mark.parametrize(
    ("step", "execution"),
    [
        (100, Execution()),
        (100, Execution(micro_batch=8)),
        pytest.param(150, Execution(), marks=pytest.mark.slow),
        pytest.param(342, Execution(), marks=pytest.mark.slow),
        pytest.param(342, Execution(micro_batch=8), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_run_stopped_anywhere_resumes_bit_for_bit(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, step: int, execution: Execution
) -> None:
    """Between two rows, whose sums a checkpoint keeps; at a row; and where an evaluation is due."""
    from reslab.training import callbacks

    steps = {"recipe.steps": 450, "recipe.schedule.milestones": [200, 300]}  # a row every 3 steps
    whole, cut = make_run("whole", steps), make_run("cut", steps)
    start(whole, execution)
    saved = callbacks.Checkpoint.on_train_batch_end

    def save_and_stop(self: Any, trainer: Any, *more: Any, **named: Any) -> None:
        if trainer.global_step == step and self.saved_step < step:
            self.stop_signal = 15
        saved(self, trainer, *more, **named)

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Checkpoint, "on_train_batch_end", save_and_stop)
        assert start(cut, execution) == 1
    assert store.state(cut.parent) == "interrupted"
    assert start(cut, execution) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    starts = store.read_json(cut.with_name(store.ENV))
    assert [entry["resumed"] for entry in starts] == [False, True]


def test_a_run_that_is_killed_in_its_last_evaluation_does_that_again(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_run("a")
    with monkeypatch.context() as patched:
        patched.setattr(store, "RESULT", "nowhere/result.json")
        with pytest.raises(FileNotFoundError):
            start(config)
    rows = store.read_metrics(config.parent)
    assert rows[-1]["step"] == 40
    assert start(config) == 0
    assert store.read_metrics(config.parent) == rows


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


def test_checkpoints_hold_tensors_and_plain_values_only(make_run: MakeRun) -> None:
    config = make_run("a")
    start(config)
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    about = held["reslab"]
    assert json.loads(about["config"])["recipe"]["steps"] == 40
    assert about["normalization"]["kind"] == "channel"
    assert about["class_names"] == [str(i) for i in range(10)]
    assert not list(config.parent.glob(".*")), "temporary files are left behind"


def test_norms_that_do_more_than_normalise_are_not_synchronised() -> None:
    refuse_fused_norms(build("resnet20"))
    refuse_fused_norms(build("timm:resnet18"))
    with pytest.raises(UserError, match="does not replace the net's BatchNormAct2d"):
        refuse_fused_norms(build("timm:regnetx_002"))


@pytest.mark.parametrize("wish", ["1h", "-3", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_DDP_TIMEOUT", wish)
    with pytest.raises(UserError, match=f"RESLAB_DDP_TIMEOUT is '{wish}'; expected seconds"):
        timeout()
    monkeypatch.delenv("RESLAB_DDP_TIMEOUT")
    assert timeout() == 1800
