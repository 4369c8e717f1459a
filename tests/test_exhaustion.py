"""What has run out is told in one line, whoever noticed it; other errors are left alone."""

import errno
import os

import pytest

from reslab.exhaustion import exhausted


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "out of file handles: raise the limit"),
        (OSError(errno.ENFILE, os.strerror(errno.ENFILE), "a file"), "out of file handles"),
        (RuntimeError("received 0 items of ancdata"), "out of file handles"),
        (RuntimeError("can't start new thread"), "out of threads or processes"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "out of threads or processes"),
        (MemoryError(), "out of memory: free some"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "out of memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("std::bad_alloc"), "out of memory"),
    ],
    ids=repr,
)
def test_what_has_run_out_is_one_line_with_a_remedy(error: Exception, words: str) -> None:
    line = exhausted(error)
    assert line is not None and line.startswith(words)
    assert type(error).__name__ in line and "\n" not in line


def test_what_an_error_came_from_counts() -> None:
    with pytest.raises(RuntimeError) as raised:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError as error:
            raise RuntimeError("a worker has failed") from error
    assert "out of file handles" in str(exhausted(raised.value))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("too many open files"),
        RuntimeError("shapes do not fit"),
        OSError(errno.ENOENT, "No such file", "x"),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_other_errors_are_none_of_these(error: Exception) -> None:
    assert exhausted(error) is None
