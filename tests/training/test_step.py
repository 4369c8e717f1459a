"""A step: what torch's own loop does, in parts, in several processes, in float16."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn.functional import cross_entropy

from reslab.data.batches import TrainingBatch
from reslab.training.step import TrainingStep, batches_of


class Counted:
    """The losses that a step counts."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def __call__(self, batch: TrainingBatch, loss: Tensor, seen: Tensor) -> None:
        self.losses.append(float(loss.detach()))


def batch(number: int, part: int = 0, parts: int = 1) -> TrainingBatch:
    """One of so many parts of 24 examples that a step draws."""
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(24, 6, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (24,), generator=generator)
    share = slice(24 // parts * part, 24 // parts * (part + 1))
    return images[share], targets[share]


def step_of(net: nn.Module, **fields: Any) -> TrainingStep:
    """Of a small net, at a rate that falls."""
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)

    def loss(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = net(images)
        return cross_entropy(logits, targets), logits

    def set_rates(number: int) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)

    parts = fields.get("micro_batches", 1)
    own: dict[str, Any] = {
        "batch": lambda number, part: batch(number, part, parts),
        "loss": loss,
        "count": Counted(),
        "optimizer": optimizer,
        "set_rates": set_rates,
        "draw": lambda number, part: None,
    }
    return TrainingStep(**{**own, **fields})


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def trained(**fields: Any) -> list[Tensor]:
    """The weights after four steps."""
    net = small_net()
    step = step_of(net, **fields)
    for number in range(4):
        step(number)
    return [parameter.detach() for parameter in net.parameters()]


def test_steps_are_torchs_own_loop_bit_for_bit() -> None:
    net = small_net()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for number in range(4):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)
        images, targets = batch(number)[:2]
        optimizer.zero_grad()
        cross_entropy(net(images), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert all(map(torch.equal, trained(), net.parameters()))


@pytest.mark.parametrize("parts", [2, 6])
def test_micro_batches_are_one_update_by_the_whole_batchs_gradient(parts: int) -> None:
    for ours, whole in zip(trained(micro_batches=parts), trained(), strict=True):
        torch.testing.assert_close(ours, whole, rtol=1e-13, atol=1e-15)


def test_each_micro_batch_is_drawn_counted_and_told_its_place() -> None:
    net, places = small_net(), list[tuple[int, int]]()
    counted = Counted()
    step = step_of(net, micro_batches=3, count=counted, draw=lambda *place: places.append(place))
    step(5)
    assert places == [(5, 0), (5, 1), (5, 2)]
    with torch.no_grad():
        parts = [batch(5, part, 3)[:2] for part in range(3)]
        losses = [float(cross_entropy(small_net()(images), targets)) for images, targets in parts]
    assert counted.losses == pytest.approx(losses)


def test_gradients_are_seen_before_they_change_a_weight() -> None:
    net = small_net()
    before, seen = [p.detach().clone() for p in net.parameters()], list[int]()

    def look(number: int) -> None:
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())
        assert all(map(torch.equal, before, net.parameters()))
        seen.append(number)

    step_of(net, before_update=look)(7)
    assert seen == [7]
    assert not any(map(torch.equal, before, net.parameters()))


def test_what_overflows_in_float16_leaves_the_weights_and_halves_the_scale() -> None:
    """And the next step that does not overflow trains: its gradients are unscaled."""
    net = small_net().float()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    seen = list[float]()

    def look(_: int) -> None:
        seen.append(float(next(net.parameters()).grad.abs().max()))  # type: ignore[union-attr]

    def batch32(number: int, part: int) -> TrainingBatch:
        images, targets = batch(number)[:2]
        return images.float(), targets

    before = [p.detach().clone() for p in net.parameters()]
    step = step_of(net, scaler=scaler, before_update=look, batch=batch32)
    step.count = lambda *_: None
    step.loss = lambda images, targets: (cross_entropy(net(images) * 1e30, targets),) * 2
    step(0)
    assert all(map(torch.equal, before, net.parameters()))
    assert scaler.get_scale() == 2.0**59
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**10})
    step.loss = lambda images, targets: (cross_entropy(net(images), targets),) * 2
    step(1)
    assert not any(map(torch.equal, before, net.parameters()))
    assert seen[-1] < 1


def test_batches_are_drawn_by_number_or_by_workers_in_their_order() -> None:
    class Ahead:
        workers = 0
        first = 3

        def batch(self, number: int, part: int) -> tuple[int, int]:
            return number, part

        def __iter__(self) -> Any:
            return iter([(3, 0), (3, 1), (4, 0)])

    batches: Any = Ahead()
    assert batches_of(batches)(8, 1) == (8, 1)
    batches.workers = 2
    drawn = batches_of(batches)
    assert [drawn(3, 0), drawn(3, 1), drawn(4, 0)] == [(3, 0), (3, 1), (4, 0)]


@pytest.mark.process
@pytest.mark.parametrize("parts", [1, 2])
def test_two_processes_average_their_gradients(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """`loss.backward()` alone, within Lightning's call of a step, averages nothing."""
    monkeypatch.setenv("PYTHONPATH", str(repository), prepend=os.pathsep)
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(tmp_path), str(parts)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    for rank in range(2):
        weights = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for ours, whole in zip(weights, trained(), strict=True):
            torch.testing.assert_close(ours, whole, rtol=1e-13, atol=1e-15)


RANK = """
import sys
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from lightning.pytorch.strategies.ddp import _DDPForwardRedirection
from tests.training.test_step import batch, small_net, step_of

rank, folder, parts = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = distributed.FileStore(folder + "/store", 2)
distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
net = small_net()
net.automatic_optimization = False
group = DistributedDataParallel(net, broadcast_buffers=False)
step = step_of(
    net, micro_batches=parts, group=group,
    batch=lambda number, part: batch(number, rank * parts + part, 2 * parts),
)
net.training_step = lambda chunk: [step(number) for number in chunk] and None
redirected = _DDPForwardRedirection()
for chunk in (range(1), range(1, 4)):
    redirected(group, net, "training_step", chunk)
torch.save([p.detach() for p in net.parameters()], f"{folder}/{rank}.pt")
distributed.barrier()
distributed.destroy_process_group()
"""
