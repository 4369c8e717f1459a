"""Where runs go: one per GPU, else CPU cores, each core used once."""

import os

import pytest

from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments.slots import Slot, make_slots


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """`machine(gpus="0,1", cores=8)`."""

    def build(gpus: str = "", cores: int = 8) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)

    return build


@pytest.mark.parametrize(
    ("cores", "pending", "devices", "count", "threads"),
    [
        (8, 3, 1, 3, 2),
        (8, 100, 1, 8, 1),
        (8, 1, 1, 1, 8),
        (2, 12, 1, 2, 1),
        (1, 12, 1, 1, 1),
        (8, 0, 1, 1, 8),
        (8, 100, 2, 4, 1),
        (8, 1, 2, 1, 4),
    ],
)
def test_cores_are_shared_among_slots(machine, cores, pending, devices, count, threads) -> None:  # type: ignore[no-untyped-def]
    machine(cores=cores)
    assert make_slots(pending, Execution(devices)) == [Slot((), threads, devices)] * count


@pytest.mark.parametrize(
    ("pending", "devices", "groups"),
    [
        (10, 1, [("0",), ("1",), ("2",), ("3",), ("4",)]),
        (10, 2, [("0", "1"), ("2", "3")]),
        (10, 5, [("0", "1", "2", "3", "4")]),
        (2, 1, [("0",), ("1",)]),
        (0, 1, [("0",)]),
    ],
)
def test_gpus_are_dealt_to_slots(machine, pending, devices, groups) -> None:  # type: ignore[no-untyped-def]
    machine(gpus="0,1,2,3,4")
    made = make_slots(pending, Execution(devices))
    assert [slot.gpus for slot in made] == groups
    assert all(slot.threads * len(made) * devices <= 8 for slot in made)


def test_more_devices_than_gpus_are_refused(machine) -> None:  # type: ignore[no-untyped-def]
    machine(gpus="0,1")
    with pytest.raises(UserError, match="DEVICES=3, but this machine has 2 GPUs"):
        make_slots(1, Execution(3))


def test_more_devices_than_cores_are_refused(machine) -> None:  # type: ignore[no-untyped-def]
    machine(cores=2)
    with pytest.raises(UserError, match=r"DEVICES=8, but .* has no GPUs, and 2 CPU cores"):
        make_slots(1, Execution(8))


def test_several_runs_share_a_gpu_if_asked(machine) -> None:  # type: ignore[no-untyped-def]
    machine(gpus="0,1", cores=8)
    made = make_slots(10, Execution(), per_gpu=3)
    assert [slot.gpus for slot in made] == [("0",), ("1",)] * 3
    assert {slot.threads for slot in made} == {1}
    assert len(make_slots(2, Execution(), per_gpu=3)) == 2


def test_without_a_gpu_none_is_shared(machine) -> None:  # type: ignore[no-untyped-def]
    machine(cores=2)
    with pytest.raises(UserError, match="SLOTS_PER_GPU=2, but this machine has no GPU"):
        make_slots(1, Execution(), per_gpu=2)


def test_without_a_gpu_batchnorm_is_not_synchronised(machine) -> None:  # type: ignore[no-untyped-def]
    machine(cores=2)
    with pytest.raises(UserError, match="SYNC_BATCHNORM=1 needs GPUs"):
        make_slots(1, Execution(2, sync_batchnorm=True))


def test_a_slot_is_on_a_cpu_or_on_gpus() -> None:
    assert (Slot(("2", "3"), 4).device, Slot((), 2).device) == ("gpu", "cpu")


@pytest.mark.parametrize("gpus", ["", "0"])
def test_no_slot_at_all_is_refused(machine, gpus: str) -> None:  # type: ignore[no-untyped-def]
    machine(gpus=gpus)
    with pytest.raises(UserError, match="SLOTS_PER_GPU=0; expected a whole number, 1 or more"):
        make_slots(3, Execution(), per_gpu=0)
