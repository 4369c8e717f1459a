"""scripts/evaluate.py --quantize and --latency on a run that was trained: the whole way."""

import json
from pathlib import Path

import pytest
from tests.small_runs import MakeRun, Script

from reslab import store
from reslab.inference import latency, light
from reslab.inference.latency import BASELINE, INT8
from reslab.inference.light import quantized
from reslab.inference.quantize import obstacle_to_int8
from reslab.store.records import EVALUATION
from reslab.training.start import start

needs_int8 = pytest.mark.skipif(obstacle_to_int8() is not None, reason=str(obstacle_to_int8()))
EAGER = ("fp32", "fp32 channels_last")


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rounds, and nothing is compiled."""
    monkeypatch.setattr(latency, "ROUNDS", 3)
    monkeypatch.setattr(latency, "why_nothing_compiles", lambda: "there is no C++ compiler")


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    config = make_run("small")
    assert start(config) == 0
    return config.parent


@needs_int8
@pytest.mark.process
def test_int8_agrees_with_a_trained_net_and_is_written_beside_its_result(
    run: Path, briefly: None, script: Script
) -> None:
    result = (run / store.RESULT).read_bytes()
    code, printed, _ = script("evaluate.py", run, "--quantize=int8")
    assert code == 0
    assert (run / store.RESULT).read_bytes() == result
    found = json.loads((run / "eval-int8.json").read_text())
    assert found["examples"] == 360
    assert found["same_answers"] >= 350
    assert abs(found["wrong"] - found["fp32"]["wrong"]) <= 360 - found["same_answers"]
    assert found["fp32"]["wrong"] == store.read_result(run)["test"]["wrong"]
    assert found["bytes"]["int8"] < 0.4 * found["bytes"]["fp32"]
    assert found["quantization"]["images"] == 256
    assert set(found["quantization"]) == {"images", "reduce_range", "torchao"}
    assert set(found["latency"]["batches"]) == {"1", "128"}
    assert list(found["latency"]["left_out"]) == [BASELINE, INT8]
    assert found["code"] == store.code_version() and found["time"]
    assert f"int8: digits test: {found['wrong']} of 360 wrong" in printed
    assert "left out: int8 compiled: there is no C++ compiler" in printed


@needs_int8
@pytest.mark.process
def test_what_is_written_reads_as_an_evaluation(run: Path, briefly: None) -> None:
    """Tables look at all files of evaluations."""
    quantized(run)
    from reslab import disk

    [file] = store.evaluations(run).values()
    assert disk.read_json(file, EVALUATION)["views"] == "int8"


@pytest.mark.process
def test_latency_is_written_beside_the_result(run: Path, briefly: None, script: Script) -> None:
    code, printed, _ = script("evaluate.py", run, "--latency", "--json")
    assert code == 0
    found = json.loads((run / store.LATENCY).read_text())
    assert json.loads(printed) == {k: v for k, v in found.items() if k not in ("code", "time")}
    for batch in ("1", "128"):
        assert tuple(found["batches"][batch]) == EAGER
        assert found["batches"][batch]["fp32"]["rounds"] == 3
    assert found["left_out"].keys() == set(light.ALL) - set(EAGER)


@needs_int8
def test_of_weights_that_are_no_run_it_is_only_printed(
    digit_weights: Path, briefly: None, script: Script
) -> None:
    code, printed, _ = script("evaluate.py", digit_weights, "--quantize=int8", "--latency")
    assert code == 0
    assert "of 360 wrong" in printed and "fp32 channels_last" in printed
    assert sorted(digit_weights.parent.glob("*.json")) == []


def test_a_run_that_is_not_done_has_no_int8(make_run: MakeRun, script: Script) -> None:
    folder = make_run("new").parent
    for word in ("--quantize=int8", "--latency"):
        assert script("evaluate.py", folder, word) == (
            2, "", f"error: {folder} is pending; int8 and times are of runs that are done\n",
        )  # fmt: skip


@pytest.mark.parametrize("word", ["--views=ten_crop", "--confusion=c.csv"])
def test_what_is_of_a_net_as_it_was_trained_is_refused_beside_int8(
    word: str, script: Script
) -> None:
    code, _, told = script("evaluate.py", "run", "--quantize=int8", word)
    assert code == 2
    assert "is of a net as it was trained; leave it out beside --quantize, --latency" in told


def test_without_torchao_it_is_said_what_to_install(
    digit_weights: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setattr(light, "obstacle_to_int8", lambda: "int8 needs torchao")
    assert script("evaluate.py", digit_weights, "--quantize=int8") == (
        2, "", "error: int8 needs torchao\n",
    )  # fmt: skip


@needs_int8
@pytest.mark.slow
@pytest.mark.process
def test_compiled_int8_computes_what_its_errors_are_of(
    digit_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors are those of the graph as it is; in integers it computes the same numbers."""
    import torch

    about = light.subject(digit_weights)
    made = light.quantize(about.net, about.images)
    images = about.images[:128]
    with latency._frozen(), torch.no_grad():
        answer = latency.compiled_int8(made.graph, images)()
        torch.testing.assert_close(answer, made.graph(images), rtol=1e-4, atol=1e-3)
