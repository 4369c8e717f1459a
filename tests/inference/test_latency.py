"""Times side by side: who is measured, what may be claimed, what a machine has not."""

import time
from functools import partial

import pytest
import torch
from torch import nn

from reslab.inference import latency
from reslab.inference.latency import BASELINE, WAYS, Latency, Ratio, Times, obstacle

IMAGES = torch.randn(3, 1, 4, 4)
NO_INT8 = "this processor is another"


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "ROUNDS", 4)


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)).eval()


def test_in_every_round_each_call_is_made_once_and_another_one_is_first(few_rounds: None) -> None:
    made: list[str] = []
    found = latency.rounds_of({name: partial(made.append, name) for name in "abc"})
    assert "".join(made[3 * latency.WARM :]) == "abcbcacababc"
    assert {name: len(times) for name, times in found.items()} == {"a": 4, "b": 4, "c": 4}


def test_the_first_calls_are_not_counted(few_rounds: None) -> None:
    waits = [0.2] * latency.WARM + [0.0] * 4
    [times] = latency.rounds_of({"slow at first": lambda: time.sleep(waits.pop(0))}).values()
    assert max(times) < 100


def test_where_time_is_over_it_ends_after_a_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    assert len(latency.rounds_of({"a": lambda: None})["a"]) == latency.LEAST


@pytest.mark.parametrize(
    ("times", "word"),
    [
        ((5, 5, 5, 5), "faster"),
        ((20, 20, 20, 20), "slower"),
        ((5, 5, 20, 20), "no difference"),
        ((5, 5, 5, 20), "faster"),  # the third quartile is 8.75
        ((10, 10, 10, 10), "no difference"),
    ],
)
def test_only_what_three_rounds_of_four_show_is_said(times: tuple[float, ...], word: str) -> None:
    assert Times(times).beside(Times((10.0,) * 4)).word == word


def test_a_ratio_is_of_the_same_round() -> None:
    """A machine that slows down in the middle slows both."""
    ratio = Times((1, 1, 100, 100)).beside(Times((2, 2, 200, 200)))
    assert ratio == Ratio(0.5, 0.5, 0.5)
    assert ratio.as_text() == "0.50 of its time (0.50–0.50): faster"


def test_a_time_has_its_quartiles() -> None:
    assert Times((1.0, 2.0, 3.0, 4.0, 500.0)).as_dict() == {
        "median": 3.0, "low": 2.0, "high": 4.0, "rounds": 5,
    }  # fmt: skip
    assert Times((0.0412, 2.411, 133.3)).as_text() == "2.41 (1.23–67.9)"


def test_eager_ways_answer_as_the_net_does() -> None:
    net = small()
    for way in ("fp32", "fp32 channels_last"):
        answer = WAYS[way](net, IMAGES)()
        torch.testing.assert_close(answer, net(IMAGES))


def test_the_given_net_and_its_layout_stay(few_rounds: None) -> None:
    net = small()
    net[0].weight.data = net[0].weight.data.repeat(1, 2, 1, 1)[:, :1]
    before = net[0].weight.stride()
    latency.latency(net, IMAGES, NO_INT8, ["fp32", "fp32 channels_last"])
    assert net[0].weight.stride() == before


def test_batches_are_of_the_sizes_that_are_told_from_however_few_images(
    few_rounds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def ready(net: nn.Module, images: torch.Tensor) -> latency.Call:
        sizes.append(len(images))
        return lambda: None

    monkeypatch.setitem(WAYS, "fp32", ready)
    latency.latency(small(), IMAGES, NO_INT8, ["fp32"])
    assert sizes == [1, 128]


def test_what_this_machine_has_not_is_left_out_and_told(
    few_rounds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "why_nothing_compiles", lambda: "there is no C++ compiler")
    monkeypatch.setattr(latency, "has_bf16", lambda: False)
    found = latency.latency(small(), IMAGES, NO_INT8, [*WAYS])
    assert list(found.times[1]) == ["fp32", "fp32 channels_last"]
    text = found.as_text()
    assert "left out: fp32 compiled: there is no C++ compiler" in text
    assert "left out: bf16 compiled: this processor has no instructions for bfloat16" in text
    assert "left out: int8 compiled: this processor is another" in text
    assert "beside" not in text


def test_a_net_that_torch_does_not_compile_is_told_not_hidden(few_rounds: None) -> None:
    class Undecided(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    found = latency.latency(Undecided(), IMAGES, NO_INT8, ["fp32", BASELINE])
    assert list(found.times[128]) == ["fp32"]
    assert list(found.left_out) == [BASELINE]
    assert found.left_out[BASELINE]


def test_without_a_compiler_nothing_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert obstacle(BASELINE) == "torch.compile finds no C++ compiler (g++, or what CXX names)"
    assert obstacle("fp32") is None


def test_json_has_what_it_was_measured_on_and_every_ratio() -> None:
    times = {1: {"fp32": Times((4.0, 4.0)), BASELINE: Times((2.0, 2.0))}}
    found = Latency(times, {"bf16 compiled": "not here"}).as_dict()
    assert found["threads"] == torch.get_num_threads() and found["processor"]
    assert found["torch"] == torch.__version__ and found["load"] >= 0
    assert found["batches"]["1"][BASELINE]["median"] == 2
    assert found["to fp32 compiled"] == {
        "fp32": {"1": {"low": 2.0, "median": 2.0, "high": 2.0, "word": "slower"}}
    }
    assert found["left_out"] == {"bf16 compiled": "not here"}


@pytest.mark.slow
@pytest.mark.process
def test_compiled_ways_answer_as_the_net_does(few_rounds: None) -> None:
    net = small()
    with latency._frozen(), torch.no_grad():
        torch.testing.assert_close(WAYS[BASELINE](net, IMAGES)(), net(IMAGES))
        if obstacle("bf16 compiled") is None:
            answer = WAYS["bf16 compiled"](net, IMAGES)()
            torch.testing.assert_close(answer.float(), net(IMAGES), rtol=0.05, atol=0.05)
