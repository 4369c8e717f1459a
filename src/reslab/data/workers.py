"""A function of many items, computed ahead in worker processes (torch's DataLoader) and in order.

Nothing may depend on which process computes an item, or on how many there are.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset

from reslab.arguments import MOST_PROCESSES, from_environment, whole
from reslab.errors import UserError
from reslab.execution import TORCHRUN
from reslab.machine import available_cores
from reslab.processes import die_with_parent

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS = 16


class Sliceable(Protocol):
    """A list, a range, an array: what a slice of it is as it is."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


Items = TypeVar("Items", bound=Sliceable)


def default_workers(processes: int = 1) -> int:
    """Workers beside each of a machine's `processes` of a run: its share of the cores but one.

    Its share is what OMP_NUM_THREADS says (the launcher sets it), else all cores; torchrun sets
    that variable to 1 whatever the machine has. `RESLAB_WORKERS` overrides it, 0 is none.
    """
    wish = from_environment("RESLAB_WORKERS", partial(whole, least=0, most=MOST_PROCESSES))
    if wish is not None:
        return wish
    share = torch.get_num_threads()
    if TORCHRUN in os.environ:
        share = available_cores() // processes
    return max(0, min(share - 1, MOST_WORKERS))


@contextmanager
def one_thread_beside(workers: int) -> Iterator[None]:
    """Let torch use a single thread: its others would spin afterwards, on the workers' cores."""
    if not workers:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def chunks(items: Items, size: int) -> list[Items]:
    """The items in order, `size` at a time: slices of what they are given as."""
    return [cast(Items, items[start : start + size]) for start in range(0, len(items), size)]


def in_workers(
    function: Callable[[T], R], items: Iterable[T], workers: int, pin_memory: bool = False
) -> Iterator[R]:
    """function(item) of each item, in the items' order; without workers in this process.

    A `UserError` of the function is raised here as it is. torch's global generator is left alone.
    """
    if not workers:
        yield from map(function, items)
        return
    results: DataLoader[R | _Failure] = DataLoader(
        _Applied(function),
        batch_size=None,
        sampler=items,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        worker_init_fn=_begin,
        generator=torch.Generator(),
    )
    for result in results:
        if isinstance(result, _Failure):
            raise UserError(result.message)
        yield result


@dataclass(frozen=True)
class _Failure:
    message: str


@dataclass(frozen=True)
class _Applied(Dataset[Any], Generic[T, R]):
    function: Callable[[T], R]

    def __getitem__(self, item: T) -> R | _Failure:
        try:
            return self.function(item)
        except UserError as error:  # a DataLoader would hand on its traceback as its message
            return _Failure(str(error))


def _as_it_is(value: Any) -> Any:
    return value


def _begin(worker: int) -> None:
    """Leave signals to the parent, which ends its workers, and do not outlive it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
