"""CUDA graphs train as calls one by one do; what of them needs no GPU is tested without."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.gpu_runs import ON_A_GPU, Job, train
from tests.small_runs import MakeRun, weights
from torch import Tensor, nn

from reslab import store
from reslab.training.graphs import _Replay, _uncached_autocast, _untouched

SHORT = {"recipe.steps": 200, "recipe.schedule.milestones": [100, 150]}


def form(config: Path) -> str:
    """In which a run was trained."""
    return str(store.read_starts(config.parent)[-1]["form"])


class Stand:
    """In place of recorded graphs: what they compute is computed at every replay."""

    def __init__(self, weight: nn.Parameter, unused: nn.Parameter) -> None:
        self.weights = [weight, unused]
        self.loss, self.scale = torch.zeros(()), torch.zeros(())
        self.gradients: list[Tensor | None] = [torch.zeros_like(weight), None]
        self.forward = SimpleNamespace(replay=self._forward)
        self.backward = SimpleNamespace(replay=self._backward)

    def _forward(self) -> None:
        with torch.no_grad():
            self.loss.copy_(self.weights[0].square().sum())

    def _backward(self) -> None:
        with torch.no_grad():
            self.gradients[0].copy_(2 * self.scale * self.weights[0])  # type: ignore[union-attr]


def test_replayed_gradients_add_up_and_scale_and_what_is_not_used_has_none() -> None:
    """d/dw of Σw² is 2w: 2w + 3 · 2w, of two micro-batches with scales 1 and 3."""
    weight, unused = nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.ones(1))
    graphs: Any = Stand(weight, unused)
    for scale in (1.0, 3.0):
        loss: Any = _Replay.apply(graphs, weight, unused)  # type: ignore[no-untyped-call]
        assert loss.item() == 5.0
        (scale * loss).backward()
    assert weight.grad is not None and weight.grad.tolist() == [8.0, -16.0]
    assert unused.grad is None


def test_what_is_recorded_under_autocast_keeps_no_copies_of_weights() -> None:
    assert torch.is_autocast_cache_enabled()
    with _uncached_autocast():
        assert not torch.is_autocast_cache_enabled()
    assert torch.is_autocast_cache_enabled()


def test_warming_up_leaves_running_statistics_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states: list[str] = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: "the state before")
    monkeypatch.setattr(torch.cuda, "set_rng_state", states.append)
    norm = nn.BatchNorm1d(2)
    with _untouched(norm):
        norm(torch.randn(8, 2))
        assert norm.num_batches_tracked == 1
    assert norm.num_batches_tracked == 0 and norm.running_mean.tolist() == [0, 0]  # type: ignore
    assert states == ["the state before"]


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=ON_A_GPU)])
@pytest.mark.parametrize(
    ("override", "most"),
    [
        ({"precision": "64-true"}, 1e-9),
        ({"precision": "32-true"}, 1e-2),
        ({"precision": "64-true", "model.dropout": 0.3, "model.survival": 0.5}, 1e-9),
    ],
    ids=["float64", "float32", "draws"],
)
def test_cuda_graphs_train_as_eager_steps_do_but_for_rounding(
    device: str, make_run: MakeRun, override: dict[str, Any], most: float
) -> None:
    """200 steps; the kernels are the same, so that little but sums by atomics may differ."""
    eager, captured = (make_run(name, {**SHORT, **override}) for name in ("eager", "captured"))
    train(Job(eager, device, ["--no-compile"]))
    train(Job(captured, device, ["--compile"]))
    assert [form(eager), form(captured)] == ["eager", "cuda graphs"]
    for name, value in weights(eager).items():
        largest = value.abs().max().clamp(min=1e-3)
        assert (weights(captured)[name] - value).abs().max() / largest < most, name


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=ON_A_GPU)])
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_cuda_graphs_train_in_16_bits_and_in_parts(
    device: str, make_run: MakeRun, precision: str
) -> None:
    config = make_run("parts", {**SHORT, "precision": precision})
    train(Job(config, device, ["--compile", "--micro-batch=16"]))
    assert form(config) == "cuda graphs"
    assert all(value.isfinite().all() for value in weights(config).values())
