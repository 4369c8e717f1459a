"""What a process frees stays with it."""

import platform
import subprocess
import sys

import pytest

from reslab.memory import keep_freed_memory

FAULTS = """\
import resource
from reslab.memory import keep_freed_memory
{first}
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep it")
def test_memory_that_was_freed_is_there_without_a_page_fault() -> None:
    """64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB."""

    def pages(first: str) -> int:
        command = [sys.executable, "-c", FAULTS.format(first=first)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    assert 10 * pages(f"{keep_freed_memory.__name__}()") < pages("")
