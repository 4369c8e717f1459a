"""How many runs share a GPU: as many as raise what it does in all, by the model of costs.

A small net leaves a GPU idle while a processor starts its kernels; another run, a process of its
own, has that time. Once the GPU is busy all the time, one run more slows the others down by as much
as it does itself. Memory and processor cores are bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reslab.config.data import facts_of
from reslab.execution import Execution
from reslab.experiments.cards import CARDS, PEAK, REACHED, Card
from reslab.experiments.estimate import LAYER
from reslab.experiments.jobs import Job
from reslab.experiments.slots import Slot, make_slots
from reslab.machine import available_cores, gpu
from reslab.text import counted

LEAST = 0.25
"""What one run more must add to be worth its memory: this part of what one does alone."""

MOST = 48
"""Runs on a GPU: processes that NVIDIA's Multi-Process Service takes (Volta and later)."""

CONTEXT = 0.6e9
"""Bytes of a process on a GPU before it does anything: CUDA's context and libraries' workspaces."""

KEPT = 50
"""Multiply-adds for each number that a training keeps for its backward pass. ResNet-20's 40.6 M
make 0.57 M (a convolution, its norm, its activation): 71; fewer is on the safe side."""

FILLED = 0.9
"""Of a GPU's free memory; the rest is left to what the allocator cannot use."""


@dataclass(frozen=True)
class Packing:
    """Slots of a plan, and what of them was chosen or assumed, in lines for people."""

    slots: list[Slot]
    told: tuple[str, ...] = ()


def pack(
    jobs: Sequence[Job], execution: Execution, per_gpu: int | None = 1, card: Card | None = None
) -> Packing:
    """Slots for what is pending; with `per_gpu` None as many on a GPU as is worth it.

    With a card it is planned for a machine that has it, and cores for every run.
    """
    pending = [job for job in jobs if job.pending]
    slots = make_slots(len(pending), execution, per_gpu or 1, card)
    told = [] if card is None else _assumed(jobs, card)
    if per_gpu is None and not slots[0].gpus:
        told.append("SLOTS_PER_GPU=auto: there is no GPU, runs share the processor's cores")
    elif per_gpu is None and pending:
        runs, why = _chosen(pending, execution, slots, card)
        slots = make_slots(len(pending), execution, runs, card)
        told.append(why)
    return Packing(slots, tuple(told))


def _chosen(
    jobs: Sequence[Job], execution: Execution, slots: Sequence[Slot], card: Card | None
) -> tuple[int, str]:
    """How many runs share a GPU, and why."""
    slot, share = slots[0], busy_share(jobs, slots[0])
    bounds = {f"it is busy for {share:.0%} of the time that a run alone takes": worth(share)}
    if (free := _free(slots, card)) is not None:
        most = max(memory(job, execution) for job in jobs)
        bounds[f"{free / 1e9:.0f} GB hold {most / 1e9:.1f} GB for each"] = int(FILLED * free / most)
    if card is None:
        bounds[f"{counted(available_cores(), 'core')} start their kernels"] = slot.threads
        if any(facts_of(job.config.data).photographs for job in jobs):
            bounds["a run reads its photographs with all cores that it is given"] = 1
    why, most_runs = min(bounds.items(), key=lambda bound: bound[1])
    beside = "side by side (MPS runs)" if slot.mps else "by turns (no MPS runs)"
    runs = max(1, most_runs)
    return runs, f"SLOTS_PER_GPU=auto: {counted(runs, 'run')} on a GPU, {beside}: {why}"


def busy_share(jobs: Sequence[Job], slot: Slot) -> float:
    """For which part of the time that runs alone take a GPU computes."""
    return sum(job.work.busy(slot) for job in jobs) / sum(job.work.alone(slot) for job in jobs)


def worth(share: float) -> int:
    """How many runs that keep a GPU busy for such a share raise what it does in all."""
    return min(MOST, max(1, int(1 / max(share, 1 / MOST) + 1 - LEAST)))


def memory(job: Job, execution: Execution) -> float:
    """Bytes of a GPU that a run takes, roughly: the context; the data, where they lie there; the
    weights, their gradients and two numbers of an optimiser for each; what the examples that it
    takes at once keep, in float32."""
    facts, batch = facts_of(job.config.data), job.config.recipe.batch_size
    images = 0 if facts.photographs else facts.in_channels * facts.image_size**2
    at_once = execution.micro_batch or batch // execution.devices
    kept = at_once * job.variant.multiply_adds / KEPT
    numbers = 4 * job.variant.params + kept
    return CONTEXT + (facts.train + facts.test) * images + 4 * numbers


def _free(slots: Sequence[Slot], card: Card | None) -> float | None:
    """Bytes of a GPU that nobody uses, of several what the least has; None where nobody knows."""
    if card is not None:
        return card.memory * 1e9
    gpus = dict.fromkeys(which for slot in slots for which in slot.gpus)
    found = [told.free for which in gpus if (told := gpu(which))]
    return min(found, default=None)


def _assumed(jobs: Sequence[Job], card: Card) -> list[str]:
    """What a plan for a card rests on."""
    word = next(word for word, row in CARDS.items() if row == card)
    precisions = dict.fromkeys(job.config.precision for job in jobs)
    rates = ", ".join(
        f"{getattr(card, PEAK[p]):g} TFLOP/s in {p}, of which {REACHED[PEAK[p]]:.0%} are assumed"
        for p in precisions
    )
    return [
        f"CARD={word}: planned for a machine with such a card and cores enough, not for this one: "
        f"{rates} ({card.source}), and {LAYER['gpu'] * 1e6:.0f} µs for each layer and step"
    ]
