"""Rows that are measured in turn, a slice each: a row is a process that waits until it is asked.

A row's loop tells its `Clock` every step that it has made; between two slices that call does not
return. So all rows of a case see the same machine, whatever else happens on it, and each has its
memory to itself. Processes are forked from one that has imported the libraries once.
"""

import contextlib
import cProfile
import multiprocessing
import os
import pstats
import resource
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from reslab.errors import UserError

WARM_UP = 5
"""Steps before a row is ready, at least: what is compiled is compiled in them."""
SETTLING = 2
"""Steps at the beginning of a slice that are not counted, at least."""
MOST = 12
"""Functions of a profile."""
LIBRARIES = ["torch", "torchvision", "lightning", "benchmarks.loops"]


class Over(Exception):
    """No more slices are asked for: the row's loop ends."""


class Clock:
    """A row's side: counts steps in the slices that are asked for.

    `evaluate`, if a loop sets it, gives the numbers of images of evaluated batches, without end or
    until there are no more.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.evaluate: Callable[[], Iterator[int]] | None = None
        self.settling = SETTLING
        """For a loop whose workers have read ahead: as many steps as they may have ready."""
        self.aside = 0.0
        """Seconds of a slice that are no steps."""
        self._life = self._slices()
        next(self._life)

    def tick(self, steps: int = 1) -> None:
        """So many steps are made; `Over` when no more are asked for."""
        try:
            self._life.send(steps)
        except StopIteration:
            raise Over from None

    def _slices(self) -> Generator[None, int, None]:
        made = 0
        while made < WARM_UP:
            made += yield
        self.connection.send(_memory())
        for order in iter(self.connection.recv, None):
            answer = yield from ORDERS[order["kind"]](self, order)
            self.connection.send({**answer, **_memory()})

    def _steps(self, order: dict[str, Any]) -> Generator[None, int, dict[str, Any]]:
        """Steps for so many seconds, after those in which the row settles."""
        settled = 0
        while settled < self.settling:
            settled += yield
        wait()
        self.aside, began, steps = 0.0, time.perf_counter(), 0
        while not steps or time.perf_counter() - began - self.aside < order["seconds"]:
            steps += yield
        wait()
        return {"steps": steps, "seconds": time.perf_counter() - began - self.aside}

    def _traced(self, order: dict[str, Any]) -> Generator[None, int, dict[str, Any]]:
        """The same with torch's profiler, whose Chrome trace goes to a file."""
        from torch.profiler import ProfilerActivity, profile, supported_activities

        gpu = {ProfilerActivity.CUDA} & supported_activities()
        with profile(activities=gpu or {ProfilerActivity.CPU}) as profiler:
            measured = yield from self._steps(order)
        profiler.export_chrome_trace(order["file"])
        return measured

    def _profiled(self, order: dict[str, Any]) -> Generator[None, int, dict[str, Any]]:
        """The functions that take most of a step by themselves, in ms of a step, and the whole."""
        profiler, began, steps = cProfile.Profile(), time.perf_counter(), 0
        profiler.enable()
        while time.perf_counter() - began < order["seconds"]:
            steps += yield
        profiler.disable()
        whole = time.perf_counter() - began
        return {"step_ms": 1000 * whole / steps, "functions": _most(profiler, steps)}

    def _evaluated(self, order: dict[str, Any]) -> Generator[None, int, dict[str, Any]]:
        """Images of an evaluation, for so many seconds at most; the first batch is not counted."""
        if self.evaluate is None:
            return {}
        batches, images = self.evaluate(), 0
        next(batches)
        wait()
        began = time.perf_counter()
        for images_of_batch in batches:
            images += images_of_batch
            if time.perf_counter() - began > order["seconds"]:
                break
        wait()
        return {"images": images, "seconds": time.perf_counter() - began}
        yield  # no step is made


ORDERS: dict[str, Callable[[Clock, dict[str, Any]], Generator[None, int, dict[str, Any]]]] = {
    "steps": Clock._steps,
    "trace": Clock._traced,
    "profile": Clock._profiled,
    "evaluation": Clock._evaluated,
}
"""What a row can be asked for."""


def _most(profiler: cProfile.Profile, steps: int) -> dict[str, float]:
    """Functions with most time of their own, in ms a step, the first `MOST`."""
    found = dict[str, float]()
    for (file, _, name), (_, _, own, *_) in pstats.Stats(profiler).stats.items():
        where = f"{name}" if file == "~" else f"{Path(file).stem}.{name}"
        found[where] = found.get(where, 0.0) + 1000 * own / steps
    return dict(sorted(found.items(), key=lambda item: -item[1])[:MOST])


def wait() -> None:
    """Until a GPU, if there is one, has done what it was told."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _memory() -> dict[str, int]:
    """The most that the row has taken so far, in bytes."""
    import torch

    unit = 1 if sys.platform == "darwin" else 1024
    most = {"memory": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    if torch.cuda.is_available():
        most["gpu_memory"] = torch.cuda.max_memory_allocated()
    return most


# ---- the side that asks -------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row that is ready, and how to ask it."""

    process: BaseProcess
    connection: Connection

    def steps(self, seconds: float) -> dict[str, Any]:
        """How many steps it makes in so many seconds, or somewhat more; its memory."""
        return self._ask({"kind": "steps", "seconds": seconds})

    def trace(self, seconds: float, file: Path) -> dict[str, Any]:
        """The same, with a Chrome trace in a file."""
        return self._ask({"kind": "trace", "seconds": seconds, "file": str(file)})

    def profile(self, seconds: float) -> dict[str, Any]:
        """Milliseconds of a step under Python's profiler, in all and by function."""
        return self._ask({"kind": "profile", "seconds": seconds})

    def evaluation(self, seconds: float) -> dict[str, Any]:
        """How many images it evaluates; nothing of a row that has no evaluation."""
        return self._ask({"kind": "evaluation", "seconds": seconds})

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self.connection.send(order)
        return received(self.connection)

    def close(self) -> None:
        """Let its loop end, and wait for it."""
        with contextlib.suppress(OSError):  # it has ended already
            self.connection.send(None)
        self.process.join()


def open_row(loop: Callable[..., None], *arguments: Any) -> tuple[Row, dict[str, Any]]:
    """A row that makes `loop(clock, *arguments)`, when it is ready, and its memory until then.

    `UserError` with what it has run into where it cannot be.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    here, there = context.Pipe()
    own = multiprocessing.get_start_method()  # a row's would be this context's, and so its workers'
    process = context.Process(target=_row, args=(there, own, loop, arguments))
    process.start()
    there.close()
    row = Row(process, here)
    try:
        return row, received(here)
    except UserError:
        row.close()
        raise


def received(connection: Connection) -> dict[str, Any]:
    """A row's answer; `UserError` where it has failed."""
    try:
        answer: dict[str, Any] = connection.recv()
    except EOFError:
        answer = {"error": "the process has ended"}
    if "error" in answer:
        raise UserError(answer["error"])
    return answer


def _row(
    connection: Connection, method: str, loop: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    multiprocessing.set_start_method(method, force=True)
    os.environ["WANDB_MODE"] = "disabled"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a run tells how far it is
    try:
        loop(Clock(connection), *arguments)
    except (Over, EOFError):  # the end, or that of whoever asks
        pass
    except Exception as error:
        traceback.print_exc()
        connection.send({"error": f"{type(error).__name__}: {error}"})
