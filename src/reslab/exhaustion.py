"""What a process has run out of, in a line for people: file handles, threads, memory.

Libraries say it in many ways; the system's limits are named, since most often they are the reason.
"""

import errno
from collections.abc import Iterator
from typing import NamedTuple


class Resource(NamedTuple):
    """What ran out, by which errors it is known, and what to do."""

    name: str
    numbers: frozenset[int]
    words: tuple[str, ...]
    remedy: str


RESOURCES = (
    Resource(
        "file handles",
        frozenset([errno.EMFILE, errno.ENFILE]),
        ("too many open files", "received 0 items of ancdata"),
        "raise the limit (ulimit -n), or take fewer workers (RESLAB_WORKERS)",
    ),
    Resource(
        "threads or processes",
        frozenset([errno.EAGAIN]),
        ("can't start new thread", "thread creation failed", "resource temporarily unavailable"),
        "raise the limit (ulimit -u, a container's pids), or take fewer workers (RESLAB_WORKERS)",
    ),
    Resource(
        "memory",
        frozenset([errno.ENOMEM]),
        ("cannot allocate memory", "failed to map segment", "std::bad_alloc"),
        "free some, raise the limit of address space (ulimit -v), or take a smaller batch "
        "(MICRO_BATCH) or fewer workers (RESLAB_WORKERS)",
    ),
)


def exhausted(error: BaseException) -> str | None:
    """What has run out and what to do, in one line; None for an error of another kind."""
    for one in _chain(error):
        for resource in RESOURCES:
            if _is_of(resource, one):
                said = " ".join(str(one).split())[:200]
                found = f"{type(one).__name__}: {said}" if said else type(one).__name__
                return f"out of {resource.name}: {resource.remedy} ({found})"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _is_of(resource: Resource, error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return resource.name == "memory"
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in resource.numbers
    if not isinstance(error, RuntimeError | ImportError):
        return False
    text = str(error).lower()
    return any(words in text for words in resource.words)
