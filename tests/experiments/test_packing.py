"""How many runs share a GPU: as many as raise what it does in all, and the plan says why."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.jobs import COSTS, job

from reslab.execution import Execution
from reslab.experiments import packing
from reslab.experiments.cards import CARDS
from reslab.experiments.jobs import Job
from reslab.experiments.packing import CONTEXT, busy_share, memory, pack, worth
from reslab.experiments.slots import Slot
from reslab.machine import Gpu

H100 = Slot(("0",), 16, name="NVIDIA H100 80GB HBM3")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """`card(free=80e9, cores=16, mps=False)`: a machine with one H100."""

    def build(free: float = 80e9, cores: int = 16, mps: bool = False) -> None:
        told = Gpu(H100.name, free)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        for module in ("packing", "slots"):
            monkeypatch.setattr(f"reslab.experiments.{module}.gpu", lambda which: told)
            monkeypatch.setattr(f"reslab.experiments.{module}.available_cores", lambda: cores)
        monkeypatch.setattr("reslab.experiments.slots.is_shared_by_mps", lambda: mps)

    return build


def seeds(folder: Path, model: str = "resnet20", count: int = 40) -> list[Job]:
    return [job(folder, model, seed) for seed in range(count)]


@pytest.mark.parametrize(
    ("share", "runs"), [(1.0, 1), (0.9, 1), (0.79, 2), (0.5, 2), (0.42, 3), (0.1, 10), (0, 48)]
)
def test_one_run_more_must_add_a_quarter_of_what_one_does_alone(share: float, runs: int) -> None:
    """At 0.9 a second would add a ninth, at 0.79 already 0.27. MPS takes 48 processes."""
    assert worth(share) == runs


def test_a_small_net_leaves_a_gpu_idle_and_a_wide_one_does_not(tmp_path: Path) -> None:
    small, deep = job(tmp_path, "resnet8_w8"), job(tmp_path, "resnet20")
    wide = replace(deep, variant=replace(deep.variant, multiply_adds=100 * COSTS["resnet20"]))
    shares = [busy_share([each], H100) for each in (small, deep, wide)]
    assert shares[0] < 0.3 < shares[1] < 0.55 < 0.95 < shares[2] < 1
    assert shares[1] < busy_share([deep, wide], H100) < shares[2], "of all the time of both"


def test_auto_packs_what_the_gpu_has_time_for_and_says_why(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    card()
    packed = pack(seeds(tmp_path), Execution(), None)
    share = busy_share(seeds(tmp_path), H100)
    assert len(packed.slots) == worth(share) == packed.slots[0].runs == 2
    assert packed.told == (
        "SLOTS_PER_GPU=auto: 2 runs on a GPU, by turns (no MPS runs): it is busy for "
        f"{share:.0%} of the time that a run alone takes",
    )


def test_with_mps_more_runs_share_a_gpu(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    card(mps=True)
    packed = pack(seeds(tmp_path), Execution(), None)
    assert len(packed.slots) == 3
    assert "side by side (MPS runs)" in packed.told[0]


def test_memory_and_cores_are_bounds(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    need = memory(job(tmp_path), Execution())
    card(free=2.5 * need, mps=True)
    packed = pack(seeds(tmp_path), Execution(), None)
    assert len(packed.slots) == 2
    assert packed.told[0].endswith(f"GB hold {need / 1e9:.1f} GB for each")
    card(free=0.5 * need)
    assert len(pack(seeds(tmp_path), Execution(), None).slots) == 1
    card(cores=2, mps=True)
    packed = pack(seeds(tmp_path), Execution(), None)
    assert len(packed.slots) == 2
    assert packed.told[0].endswith("2 cores start their kernels")


def test_of_several_gpus_the_fullest_counts(card, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    need = memory(job(tmp_path), Execution())
    card()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    free = {"0": 80e9, "1": 1.5 * need}
    monkeypatch.setattr("reslab.experiments.packing.gpu", lambda which: Gpu("H100", free[which]))
    assert [slot.gpus for slot in pack(seeds(tmp_path), Execution(), None).slots] == [
        ("0",),
        ("1",),
    ]


def test_runs_that_read_photographs_share_no_gpu(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Each takes the cores that it is given for decoding."""
    card(mps=True)
    net = {"data": "imagenette_mini", "recipe": "imagenette"}
    photographs = [job(tmp_path, "resnet20", seed, **net) for seed in range(4)]
    packed = pack(photographs, Execution(), None)
    assert len(packed.slots) == 1
    assert packed.told[0].endswith("a run reads its photographs with all cores that it is given")


def test_no_more_share_a_gpu_than_there_are_to_do(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    card()
    assert len(pack(seeds(tmp_path, count=2), Execution(), None).slots) == 2
    final = [replace(each, state="done") for each in seeds(tmp_path)]
    assert pack(final, Execution(), None).told == ()


def test_a_number_is_taken_as_it_is_and_needs_no_words(card, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    card(free=1)
    assert [len(pack(seeds(tmp_path), Execution(), n).slots) for n in (1, 7)] == [1, 7]
    assert pack(seeds(tmp_path), Execution(), 7).told == ()


def test_without_a_gpu_auto_is_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("reslab.experiments.slots.available_cores", lambda: 4)
    packed = pack(seeds(tmp_path), Execution(), None)
    assert len(packed.slots) == 4
    assert packed.told == ("SLOTS_PER_GPU=auto: there is no GPU, runs share the processor's cores",)


def test_a_run_takes_its_context_its_data_its_weights_and_what_it_keeps(tmp_path: Path) -> None:
    """60,000 images of 3 × 32 × 32 bytes; a batch of 128 in float32, a fiftieth of its
    multiply-adds; half of that in micro-batches of 64, and on two devices."""
    short, data = job(tmp_path), 60_000 * 3072
    kept = 4 * 128 * COSTS["resnet20"] / packing.KEPT
    assert memory(short, Execution()) == pytest.approx(CONTEXT + data + kept)
    for halved in (Execution(micro_batch=64), Execution(devices=2)):
        assert memory(short, halved) == pytest.approx(CONTEXT + data + kept / 2)
    heavy = replace(short, variant=replace(short.variant, params=10**6))
    assert memory(heavy, Execution()) - memory(short, Execution()) == 16e6


def test_a_plan_for_a_card_says_what_it_assumes(tmp_path: Path) -> None:
    packed = pack(seeds(tmp_path), Execution(), 1, CARDS["h100"])
    assert [slot.name for slot in packed.slots] == ["H100"]
    assert packed.told == (
        "CARD=h100: planned for a machine with such a card and cores enough, not for this one: "
        "67 TFLOP/s in 32-true, of which 40% are assumed "
        "(https://www.nvidia.com/en-us/data-center/h100/), and 120 µs for each layer and step",
    )
    both = pack(seeds(tmp_path), Execution(), None, CARDS["h100"])
    assert len(both.slots) == 2 and len(both.told) == 2
