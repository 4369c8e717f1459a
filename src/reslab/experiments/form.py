"""In which form a run's steps are computed: decided once, from the whole run, before it begins.

Forms differ in how fast they are and in how sums are rounded, so a run keeps its own to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.config.nets import Opaque
from reslab.config.run import RunConfig
from reslab.execution import Execution, Form
from reslab.experiments.estimate import Work
from reslab.experiments.slots import Slot
from reslab.machine import why_nothing_compiles

PAYS = 600.0
"""Seconds of a run from which its steps are compiled on a CPU. Compiling took 18 s of CPU time for
ResNet-20 and 46 s for ResNet-56, 3 and 5 s from a warm cache, which the runs of a plan share; steps
took 5 to 8 and 4 % less then (batches of 128, one thread of an x86-64 machine, torch 2.14)."""


@dataclass(frozen=True)
class Chosen:
    """A form, and why it is this one; nothing where that needs no word."""

    form: Form
    reason: str = ""


def form_in(slot: Slot, work: Work, folder: Path, execution: Execution) -> Chosen:
    """The form of the run in a folder where its steps are computed in a slot, as the model of
    `estimate` says how long that takes."""
    return form_of(work.config, execution, slot.device, work.seconds(slot), begun_in(folder))


def form_of(
    config: RunConfig,
    execution: Execution,
    device: str,
    seconds: float,
    begun: Form | None = None,
) -> Chosen:
    """The form of a run on a device, gpu or cpu, of which a CPU takes so many seconds; of one that
    goes on from a checkpoint that in which it was begun."""
    if begun is not None:
        return _kept(begun, execution, device)
    if why := _why_eager(config, execution, device):
        return Chosen("eager", why)
    if device == "gpu":
        return Chosen("cuda graphs", "" if execution.compile else "as on every GPU")
    if not execution.compile and seconds < PAYS:
        return Chosen("eager")
    if obstacle := why_nothing_compiles():
        return Chosen("eager", obstacle)
    return Chosen("compiled", "" if execution.compile else f"{PAYS / 60:.0f} min and more on a CPU")


def _why_eager(config: RunConfig, execution: Execution, device: str) -> str:
    """Why a run is eager wherever it is long enough; nothing where it is not."""
    if execution.compile is False:
        return "COMPILE=0"
    if config.teacher is not None:
        return "it has a teacher"
    if not config.recipe.objective.is_of_classes:
        return "it has no classes to learn"
    if device == "gpu" and (execution.devices > 1 or execution.sync_batchnorm):
        return "several GPUs add up what they have in mid-step"
    if isinstance(config.model, Opaque) and not execution.compile:
        return "not every net of others compiles; COMPILE=1 tries"
    return ""


def _kept(begun: Form, execution: Execution, device: str) -> Chosen:
    if begun == "cuda graphs" and device == "cpu":
        return Chosen("eager", "begun with CUDA graphs, which a CPU has not")
    if execution.compile is None or execution.compile == (begun != "eager"):
        return Chosen(begun)
    return Chosen(begun, f"begun so, and goes on so; COMPILE={execution.compile:d} is for new runs")


def begun_in(folder: Path) -> Form | None:
    """The form in which a run was begun that would go on from a checkpoint; None of any other."""
    if not (folder / store.CHECKPOINT).exists():
        return None
    firsts = [start for start in store.read_starts(folder) if not start.get("resumed")]
    return (firsts or [{}])[-1].get("form") or "eager"  # nothing else was there before


def forms_in_words(chosen: Sequence[Chosen]) -> str:
    """The forms of some runs in a line; nothing where all are eager and none needs a word."""
    if not any(each.reason or each.form != "eager" for each in chosen):
        return ""
    parts = [_part(each, chosen.count(each)) for each in dict.fromkeys(chosen)]
    return f"steps: {'; '.join(parts)}"


def _part(each: Chosen, count: int) -> str:
    return f"{each.form} in {count}" + (f" ({each.reason})" if each.reason else "")
