"""Every precision resumes bit for bit and travels without loss; float16 scales its gradients."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import DECODING
from tests.small_runs import MakeRun, same, stopped_at, weights
from tests.training.test_classifier import WITH_EVERYTHING
from torchvision.io import write_png

from reslab import load, store
from reslab.config.resolve import read_run
from reslab.inference.evaluate import evaluate_file
from reslab.inference.export import export
from reslab.inference.formats import FORMATS
from reslab.inference.predict import predict
from reslab.methods.materialise import materialise
from reslab.training.start import start

PRECISIONS = "32-true", "tf32", "bf16-mixed", "16-mixed", "64-true"
OVERFLOWING = partial(torch.amp.GradScaler, init_scale=2.0**30)
"""torch's begins with 2¹⁶; from here a dozen steps overflow, each of which halves the scale."""


def final_scale(config: Path) -> float:
    held = torch.load(config.with_name(store.CHECKPOINT), weights_only=True)
    return float(held["MixedPrecision"]["scale"])


@pytest.mark.process
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_that_is_cut_ends_with_equal_bits_and_rows(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Cut where the scaler of 16-mixed has not found its scale yet."""
    monkeypatch.setattr(torch.amp, "GradScaler", OVERFLOWING)
    tree = {**WITH_EVERYTHING, "precision": precision, "recipe.steps": 20}
    whole, cut = make_run("whole", tree), make_run("cut", tree)
    assert start(whole) == 0
    for step in (3, 11):
        with stopped_at(step):
            assert start(cut) == 1
    assert start(cut) == 0
    assert same(weights(whole), weights(cut))
    assert store.read_metrics(whole.parent) == store.read_metrics(cut.parent)
    if precision == "16-mixed":
        assert 0 < final_scale(cut) == final_scale(whole) < 2.0**30


@pytest.mark.process
def test_a_step_that_the_scaler_skips_counts_and_is_no_divergence(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.amp, "GradScaler", OVERFLOWING)
    config = make_run("a", {"precision": "16-mixed"})
    with stopped_at(1):
        start(config)
    drawn = dict(materialise(read_run(config)).named_parameters(prefix="net"))
    after = weights(config)
    assert all(torch.equal(after[name], parameter) for name, parameter in drawn.items())
    assert final_scale(config) == 2.0**29
    assert start(config) == 0
    result = store.read_result(config.parent)
    assert result is not None
    assert (result["status"], result["step"]) == ("done", 40)
    rates = [row["lr"] for row in store.read_metrics(config.parent) if "lr" in row]
    assert len(rates) == 40 and rates[19:21] == pytest.approx([0.1, 0.01])
    assert result["train"]["top1_error"] < 75  # 90 by chance: it has learnt in the other steps


@pytest.fixture
def exact(make_run: MakeRun) -> Path:
    config = make_run("exact", {"precision": "64-true"})
    assert start(config) == 0
    return config


@DECODING
@pytest.mark.process
def test_weights_in_float64_are_read_as_they_are(exact: Path, tmp_path: Path) -> None:
    """By evaluate, predict, load and export; onnxruntime's convolutions are float32 alone."""
    trained = {name.removeprefix("net."): value for name, value in weights(exact).items()}
    assert same(load(exact.parent).state_dict(), trained)
    file = tmp_path / "net.safetensors"
    assert export(exact.parent, "safetensors", file) == 0
    assert same(load(file).state_dict(), trained)
    result: Any = store.read_result(exact.parent)
    for source in (exact.parent, file):
        score = evaluate_file(source).score
        assert (score.wrong, score.loss) == (
            result["test"]["wrong"],
            pytest.approx(result["test"]["loss"], rel=1e-6),  # summed in float32
        )
    image = tmp_path / "grey.png"
    write_png(torch.full((3, 8, 8), 128, dtype=torch.uint8), str(image))
    assert len(predict([str(image)], file, top=3).guesses[image]) == 3
    for form, row in FORMATS.items():
        if form == "onnx":
            for package in row.needs:
                pytest.importorskip(package)
        difference = export(exact.parent, form, tmp_path / f"out{row.suffix}")
        assert difference < (1e-5 if form == "onnx" else 1e-12)
