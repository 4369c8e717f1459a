"""How long a net takes for a batch on this machine's processor, in several ways, side by side.

A time says something beside others that were measured with it: in every round each way answers the
same batch once, so that what else the machine does meets all of them alike, and two ways are
compared by their ratio within a round. The first answers (compiling, caches) are not counted.
"""

import copy
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from reslab.errors import first_line
from reslab.machine import available_cores, processor_name, why_nothing_compiles
from reslab.text import counted, markdown_table

BATCHES = (1, 128)
ROUNDS = 100
"""At most, and at least `LEAST` where `SECONDS` for each way are over."""
LEAST = 5
SECONDS = 3.0
WARM = 3
"""Answers that are not counted."""
BASELINE = "fp32 compiled"
"""What others are compared with."""
INT8 = "int8 compiled"

Call = Callable[[], object]
"""Answers a batch."""
Maker = Callable[[int], Call]
"""Makes ready what answers a batch of a size."""


def _as_it_is(net: nn.Module, images: Tensor) -> Call:
    return partial(net, images)


def _channels_last(net: nn.Module, images: Tensor) -> Call:
    laid = copy.deepcopy(net).to(memory_format=torch.channels_last)
    return partial(laid, images.contiguous(memory_format=torch.channels_last))


def _compiled(net: nn.Module, images: Tensor) -> Call:
    """Of a graph of its own, so that nothing that torch knows of other nets is asked at a call."""
    graph = torch.export.export(net, (images,)).module()
    return _ready(graph, images)


def _compiled_bf16(net: nn.Module, images: Tensor) -> Call:
    return _compiled(copy.deepcopy(net).bfloat16(), images.bfloat16())


def compiled_int8(graph: nn.Module, images: Tensor) -> Call:
    """Of a quantised graph; see `quantize`."""
    return _ready(copy.deepcopy(graph), images)


def _ready(graph: nn.Module, images: Tensor) -> Call:
    """Compiled for batches of this size, its weights laid out for the processor (`freezing`)."""
    function = torch.compile(graph, dynamic=False)
    function(images)
    return partial(function, images)


WAYS: dict[str, Callable[[nn.Module, Tensor], Call]] = {
    "fp32": _as_it_is,
    "fp32 channels_last": _channels_last,
    BASELINE: _compiled,
    "bf16 compiled": _compiled_bf16,
    INT8: compiled_int8,
}
"""From a float32 net in evaluation mode, for `INT8` from the graph of one that has been quantised,
and images (N, C, H, W) to what answers them."""


@dataclass(frozen=True)
class Times:
    """What was measured of one way with batches of one size, in milliseconds, round by round."""

    milliseconds: tuple[float, ...]

    def quartiles(self) -> tuple[float, float, float]:
        """The first quartile, the median and the third."""
        return _quartiles(self.milliseconds)

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        low, median, high = self.quartiles()
        return {"median": median, "low": low, "high": high, "rounds": len(self.milliseconds)}

    def as_text(self) -> str:
        """`2.41 (2.35–2.60)`."""
        low, median, high = self.quartiles()
        return f"{rounded(median)} ({rounded(low)}–{rounded(high)})"

    def beside(self, other: "Times") -> "Ratio":
        """This time in parts of another's of the same rounds."""
        pairs = zip(self.milliseconds, other.milliseconds, strict=True)
        return Ratio(*_quartiles([one / two for one, two in pairs]))


@dataclass(frozen=True)
class Ratio:
    """Quartiles of the ratios of two times that were taken in the same rounds."""

    low: float
    median: float
    high: float

    @property
    def word(self) -> str:
        """What may be claimed: three rounds of four agree, or nothing is."""
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "no difference"

    def as_dict(self) -> dict[str, float | str]:
        """For JSON."""
        return {**vars(self), "word": self.word}

    def as_text(self) -> str:
        """`0.58 of its time (0.55–0.61): faster`."""
        return f"{self.median:.2f} of its time ({self.low:.2f}–{self.high:.2f}): {self.word}"


@dataclass(frozen=True)
class Latency:
    """Times by the size of the batch and by the way, and what they were measured on."""

    times: Mapping[int, Mapping[str, Times]]
    left_out: Mapping[str, str]
    """Ways that this machine has not, and why."""

    def beside(self, way: str) -> dict[int, Ratio]:
        """A way's times in parts of `BASELINE`'s, by the size of the batch."""
        pairs = {batch: (of.get(way), of.get(BASELINE)) for batch, of in self.times.items()}
        return {batch: one.beside(two) for batch, (one, two) in pairs.items() if one and two}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        batches = {
            str(batch): {way: times.as_dict() for way, times in of.items()}
            for batch, of in self.times.items()
        }
        ratios = {
            way: {str(batch): ratio.as_dict() for batch, ratio in self.beside(way).items()}
            for way in self._ways()
            if way != BASELINE
        }
        return {
            **measured_on(),
            "unit": "milliseconds per batch",
            "batches": batches,
            "left_out": dict(self.left_out),
            f"to {BASELINE}": {way: of for way, of in ratios.items() if of},
        }

    def as_text(self) -> str:
        """A table for people, and what may be said of it."""
        head = ["ms", *(f"batch {batch}" for batch in self.times)]
        rows = [[way, *(of[way].as_text() for of in self.times.values())] for way in self._ways()]
        left = [f"left out: {way}: {why}" for way, why in self.left_out.items()]
        table = markdown_table(head, rows, numeric=range(1, len(head)))
        times = [each for of in self.times.values() for each in of.values()]
        return "\n".join([*told(times), "", table, "", *self._said(), *left])

    def _said(self) -> list[str]:
        return [
            f"{way} beside {BASELINE}, batch {batch}: {ratio.as_text()}"
            for way in self._ways()
            if way != BASELINE
            for batch, ratio in self.beside(way).items()
        ]

    def _ways(self) -> list[str]:
        return list(next(iter(self.times.values())))


def measured_on() -> dict[str, Any]:
    """What times are of: recorded beside them."""
    return {
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
    }


def told(times: Sequence[Times]) -> list[str]:
    """What times in a table are of; where others use the machine, too, that is said."""
    counts = [len(each.milliseconds) for each in times]
    several = str(counts[0]) if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
    threads, cores, load = torch.get_num_threads(), available_cores(), os.getloadavg()[0]
    busy = (
        f"The machine is not idle (load {load:.1f} on {counted(cores, 'core')}): times are larger "
        "than they would be; ratios are of the same rounds"
    )
    return [
        f"Milliseconds for a batch on {processor_name()}, {counted(threads, 'thread')}: median "
        f"(quartiles) of {several} rounds, each way once a round",
        *([busy] if load > cores + 0.5 else []),
    ]


def _quartiles(numbers: Sequence[float]) -> tuple[float, float, float]:
    low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    return float(low), float(median), float(high)


def rounded(number: float) -> str:
    """Three digits: `0.0412`, `2.41`, `133`."""
    digits = max(0, 2 - math.floor(math.log10(number))) if number > 0 else 0
    return f"{number:.{digits}f}"


# ---- measuring -----------------------------------------------------------------------------------


def latency(net: nn.Module, images: Tensor, int8: nn.Module | str, ways: Sequence[str]) -> Latency:
    """Measure a float32 net, and a quantised graph of it, on images (N, C, H, W), repeated to the
    sizes of `BATCHES`. Ways that this machine has not are left out, with the reason; `int8` is one
    where there is no such graph."""
    nets = {way: int8 if way == INT8 else net for way in ways}
    reasons = {way: of if isinstance(of, str) else obstacle(way) for way, of in nets.items()}
    left_out = {way: why for way, why in reasons.items() if why}
    makers = {
        way: maker(way, of, images)
        for way, of in nets.items()
        if way not in left_out and isinstance(of, nn.Module)
    }
    times, failed = measured(makers)
    return Latency(times, left_out | failed)


def maker(way: str, net: nn.Module, images: Tensor) -> Maker:
    """What makes a way of a net, or of its quantised graph, ready for batches of a size."""
    return lambda batch: WAYS[way](net, images[torch.arange(batch) % len(images)].contiguous())


def measured(
    makers: Mapping[str, Maker],
) -> tuple[dict[int, dict[str, Times]], dict[str, str]]:
    """Times by the size of the batch and the makers' names; and why there are none, of what torch
    refused to make."""
    with torch.no_grad(), _frozen():
        ready: dict[str, dict[int, Call]] = {}
        failed: dict[str, str] = {}
        for name, make in tqdm(makers.items(), desc="made ready", leave=False, disable=None):
            try:
                ready[name] = {batch: make(batch) for batch in BATCHES}
            except RuntimeError as error:  # all that torch's compiler and export raise are
                failed[name] = first_line(error)
        calls = {batch: {name: of[batch] for name, of in ready.items()} for batch in BATCHES}
        rounds = {batch: rounds_of(of) for batch, of in calls.items()}
    times = {b: {name: Times(tuple(t)) for name, t in of.items()} for b, of in rounds.items()}
    return times, failed


def rounds_of(calls: Mapping[str, Call]) -> dict[str, list[float]]:
    """Milliseconds of each call in each round; who is first changes with every round."""
    for call in calls.values():
        for _ in range(WARM):
            call()
    names = list(calls)
    found: dict[str, list[float]] = {name: [] for name in names}
    end = time.perf_counter() + SECONDS * len(names)
    for number in range(ROUNDS):
        if number >= LEAST and time.perf_counter() > end:
            break
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            calls[name]()
            found[name].append(1000 * (time.perf_counter() - began))
    return found


def obstacle(way: str) -> str | None:
    """Why a way cannot be measured here; None where it can."""
    if way.startswith("bf16") and not has_bf16():
        return "this processor has no instructions for bfloat16"
    return why_nothing_compiles() if "compiled" in way else None


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 itself."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


NOISY = ("torch.utils._pytree", "torch.utils.cpp_extension")
"""Loggers that tell of torch's own deprecations, and of a CUDA that is not asked for."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch and torchao say to each other."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _frozen() -> Iterator[None]:
    """Weights are constants to the compiler: without it int8 weights are unpacked at every call."""
    from torch._inductor import config

    with quiet(), config.patch(freezing=True):
        yield
