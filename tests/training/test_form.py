"""A compiled step is the same step: what it changes is rounding, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun, same, stopped_at, weights

from reslab import store
from reslab.execution import Execution
from reslab.machine import why_nothing_compiles
from reslab.training.start import start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(why_nothing_compiles() is not None, reason=str(why_nothing_compiles())),
]
EAGER, COMPILED = Execution(compile=False), Execution(compile=True)
SHORT = {"recipe.steps": 12, "recipe.schedule.milestones": [6, 9]}
WITHOUT_NORMS = {**SHORT, "model.norm": "none", "precision": "64-true"}


def far(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of any number of two states, in parts of the tensor's largest."""
    pairs = [(one[name].double(), other[name].double()) for name in one]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-3)) for a, b in pairs)


def forms(config: Path) -> list[str]:
    return [entry["form"] for entry in store.read_starts(config.parent)]


def both(make_run: MakeRun, **override: Any) -> tuple[Path, Path]:
    """The same run, eager and compiled."""
    eager, compiled = (make_run(name, override) for name in ("eager", "compiled"))
    assert start(eager, EAGER) == start(compiled, COMPILED) == 0
    assert (forms(eager), forms(compiled)) == (["eager"], ["compiled"])
    return eager, compiled


@pytest.mark.parametrize(
    ("precision", "most"),
    [("64-true", 1e-9), pytest.param("32-true", 1e-3, marks=pytest.mark.slow)],
    ids=["float64", "float32"],
)
def test_a_compiled_run_ends_where_an_eager_one_does_but_for_rounding(
    make_run: MakeRun, precision: str, most: float
) -> None:
    """12 steps at a rate of 0.1; in float64 rounding is some 1e-16 and grows a thousandfold."""
    eager, compiled = both(make_run, **SHORT, precision=precision)
    assert weights(eager).keys() == weights(compiled).keys()
    assert far(weights(eager), weights(compiled)) < most


@pytest.mark.slow
def test_a_compiled_run_goes_on_bit_for_bit_and_stays_compiled(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = (make_run(name, SHORT) for name in ("whole", "stopped"))
    assert start(whole, COMPILED) == 0
    with stopped_at(5):
        assert start(stopped, COMPILED) == 1
    assert start(stopped, EAGER) == 0
    assert forms(stopped) == ["compiled", "compiled"]
    assert "begun so, and goes on so; COMPILE=0 is for new runs" in capsys.readouterr().out
    assert same(weights(whole), weights(stopped))


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [
        {"model.dropout": 0.3},
        {"model.survival": 0.5},
        {"recipe.label_smoothing": 0.1, "recipe.augmentation.mixup": 0.2},
    ],
    ids=["dropout", "stochastic depth", "mixup"],
)
def test_what_a_step_draws_is_the_same_compiled(
    make_run: MakeRun, override: dict[str, Any]
) -> None:
    """In float64, where only rounding is left."""
    eager, compiled = both(make_run, **{**SHORT, "precision": "64-true", **override})
    assert far(weights(eager), weights(compiled)) < 1e-9


@pytest.mark.slow
def test_in_16_bits_the_first_losses_agree_to_a_hundredth(make_run: MakeRun) -> None:
    """bfloat16 has 8 bits, a rounding is up to 0.4 %; after some steps weights are others."""
    first = [
        next(row["train_loss"] for row in store.read_metrics(config.parent) if "train_loss" in row)
        for config in both(make_run, **SHORT, precision="bf16-mixed")
    ]
    assert first[0] == pytest.approx(first[1], rel=0.01)


@pytest.mark.slow
def test_a_batch_in_parts_compiles_too(make_run: MakeRun) -> None:
    """In float64 without norms: the same sums, however they are divided."""
    alone, parts = (make_run(name, WITHOUT_NORMS) for name in ("alone", "parts"))
    assert start(alone, EAGER) == 0
    assert start(parts, Execution(micro_batch=8, compile=True)) == 0
    assert far(weights(alone), weights(parts)) < 1e-9


RANK = """
import os, sys
from pathlib import Path
from reslab.errors import exit_code

sys.path.append(SCRIPTS)
from train import main

if "RANK" in os.environ:
    import torch
    from reslab.training.classifier import Classifier

    def keep(self):
        folder = Path(sys.argv[1]).parent
        torch.save(self.net.state_dict(), folder / f"{os.environ['RANK']}.pt")

    Classifier.on_train_end = keep
sys.exit(exit_code(main))
"""
"""scripts/train.py, of which each process keeps the weights that it has trained."""


@pytest.mark.slow
def test_two_processes_compile_and_have_the_same_weights(
    make_run: MakeRun, tmp_path: Path, repository: Path
) -> None:
    """In float64 without norms, whose running statistics are each process's own."""
    script = tmp_path / "rank.py"
    script.write_text(RANK.replace("SCRIPTS", repr(str(repository / "scripts"))))
    runs = [make_run(word, WITHOUT_NORMS) for word in ("no-compile", "compile")]
    trained = []
    for word, config in zip(("no-compile", "compile"), runs, strict=True):
        words = [sys.executable, script, config, "--devices=2", f"--{word}"]
        subprocess.run(words, check=True, timeout=600)
        ranks = (config.with_name(f"{rank}.pt") for rank in range(2))
        one, other = (torch.load(file, weights_only=True) for file in ranks)
        assert same(one, other)
        trained.append(one)
    assert [forms(config) for config in runs] == [["eager"], ["compiled"]]
    assert far(*trained) < 1e-9
