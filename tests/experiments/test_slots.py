"""Where runs go: one per GPU, else CPU cores, each core used once."""

import os

import pytest

from reslab.errors import UserError
from reslab.execution import Execution
from reslab.experiments.cards import CARDS
from reslab.experiments.slots import Slot, make_slots, slot_of
from reslab.machine import Gpu, processor_name


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
    slot = Slot((), threads, devices, processor_name())
    assert make_slots(pending, Execution(devices)) == [slot] * count


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
    assert {(slot.threads, slot.runs) for slot in made} == {(1, 3)}
    assert len(make_slots(2, Execution(), per_gpu=3)) == 2


def test_a_slot_says_what_its_gpus_are_called_and_who_else_is_on_them(machine, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Of five runs on two GPUs three are on the first."""
    machine(gpus="0,1")
    monkeypatch.setattr("reslab.experiments.slots.gpu", lambda which: Gpu(f"card {which}", 1e9))
    monkeypatch.setattr("reslab.experiments.slots.is_shared_by_mps", lambda: True)
    made = make_slots(5, Execution(), per_gpu=4)
    assert [slot.runs for slot in made] == [3, 2, 3, 2, 3]
    assert {(slot.name, slot.mps) for slot in made} == {("card 0", True)}


def test_for_a_card_as_many_are_planned_as_a_run_takes_whatever_this_machine_has(machine) -> None:  # type: ignore[no-untyped-def]
    machine(cores=2)
    assert (
        make_slots(9, Execution(4), 2, CARDS["a100"])
        == [Slot(("0", "1", "2", "3"), 1, 4, "A100", 2)] * 2
    )
    assert len(make_slots(1, Execution(), 8, CARDS["a100"])) == 1


@pytest.mark.parametrize(
    ("start", "slot"),
    [
        ({"device": "cpu (x86_64)", "devices": 1, "threads": 2}, Slot((), 2)),
        (
            {"device": "cpu (x86_64)", "devices": 2, "threads": 1, "processor": "AMD EPYC"},
            Slot((), 1, 2, "AMD EPYC"),
        ),
        (
            {"device": "cuda (NVIDIA H100 PCIe)", "devices": 1, "threads": 4, "runs_per_gpu": 3},
            Slot(("0",), 4, 1, "NVIDIA H100 PCIe", 3),
        ),
        ({"device": "cpu"}, Slot((), 1)),
    ],
)
def test_where_a_run_was_trained_is_read_from_what_it_recorded(start, slot: Slot) -> None:  # type: ignore[no-untyped-def]
    assert slot_of(start) == slot


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
