"""Whatever lies in a file of weights: it is read, or refused in a short line, soon and in little
memory; nothing in it runs. Each file here is made anew from a few seeds."""

import io
import json
import os
import random
import resource
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from reslab import build
from reslab.errors import UserError
from reslab.inference.trained import trained
from reslab.weights.files import read_weights
from reslab.weights.given import Given

LONGEST = 800
"""Letters of a message, without the path."""
NET = build("resnet8_w8").state_dict()
HUGE = 2**62


def archive(value: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


def rezipped(content: bytes, changed: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of torch's with other entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", how) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) if name not in changed else changed[name])
    return file.getvalue()


def tensors(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file that says what it likes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(dtype: str, shape: list[int], end: int, start: int = 0) -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


def about(text: str) -> bytes:
    return save({"fc.bias": torch.ones(3)}, {"reslab": text})


ZIPPED, LEGACY = archive(NET), archive(NET, _use_new_zipfile_serialization=False)
WHOLE = {"zip": ZIPPED, "legacy": LEGACY, "safetensors": save(NET)}
PICKLE = "archive/data.pkl"


def patched(old: bytes, new: bytes) -> bytes:
    """ZIPPED, with bytes of its pickle in other places."""
    with zipfile.ZipFile(io.BytesIO(ZIPPED)) as opened:
        code = opened.read(PICKLE)
    assert old in code
    return rezipped(ZIPPED, {PICKLE: code.replace(old, new)})


Files = Iterator[tuple[str, bytes]]


def damaged() -> Files:
    for kind, content in WHOLE.items():
        for part in (1, 8, 9, 100, len(content) // 2, len(content) - 1):
            yield f"{kind} cut off after {part}", content[:part]
        for seed in range(12):
            draw, bent = random.Random(seed), bytearray(content)
            for _ in range(draw.choice((1, 8, 64))):
                # most bytes are numbers of tensors; the others are at the ends
                place = draw.choice((draw.randrange(2000), -draw.randrange(1, 2000),
                                     draw.randrange(len(bent))))  # fmt: skip
                bent[place] ^= 1 << draw.randrange(8)
            yield f"{kind} bent {seed}", bytes(bent)


def archives() -> Files:
    zeros = b"\0" * 2**26
    yield "a bomb", rezipped(ZIPPED, {"archive/data/0": zeros}, zipfile.ZIP_DEFLATED)
    yield "a bomb of instructions", rezipped(ZIPPED, {PICKLE: b"N" * 2**26}, zipfile.ZIP_DEFLATED)
    yield "an archive of nothing", rezipped(ZIPPED, {PICKLE: b""})
    yield "more numbers than there are", patched(b"KH", b"J\xff\xff\xff\x7f")
    yield "two dicts in one", archive({"model": NET, "teacher": NET, "critic": NET})


def values() -> Files:
    for name, value in {
        "nested": reduce(lambda inner, _: {"a": inner}, range(300), {}),
        "no names": {1: torch.ones(1), (2, 3): torch.ones(1)},
        "wrong types": {"state_dict": [1, 2], "model": "resnet"},
        "complex": {"fc.weight": torch.ones(3, dtype=torch.complex64)},
        "sparse": {"fc.weight": torch.ones(3, 3).to_sparse()},
        "meta": {"fc.weight": torch.ones(3, device="meta")},
        "expanded": {"x": torch.ones(1).expand(10**12)},
        "our own part, empty": {"state_dict": NET, "reslab": {}},
        "our own part, a number": {"state_dict": NET, "reslab": 3},
        "our own part, no tensors": {
            "state_dict": 7,
            "reslab": {"config": "{}", "normalization": {}, "class_names": []},
        },
        "our own part, of other types": {
            "state_dict": {"net.x": torch.ones(1), 3: 4},
            "reslab": {
                "config": "[" * 10_000,
                "normalization": {"kind": 3, "mean": torch.ones(2, 2), "std": "x"},
                "class_names": {"a": 1},
            },
        },
    }.items():
        yield name, archive(value)
    yield "controls", archive({"\x1b[2J": torch.ones(1)})


def safetensors() -> Files:
    yield "a header of all bytes", tensors({}, length=HUGE)
    yield "a header that nests", tensors(b"{" + b'"a":{' * 100_000)
    for name, header in {
        "huge": entry("F32", [HUGE, HUGE], 4),
        "outside": entry("F32", [10**6], 4 * 10**6),
        "backwards": entry("F32", [1], 0, 4),
        "negative": entry("F32", [-1], 4),
        "of no type": entry("F33", [1], 4),
        "a list": [1, 2],
        "without offsets": {"x": {"dtype": "F32"}},
        "with a number for metadata": {"__metadata__": 3},
    }.items():
        yield f"tensors {name}", tensors(header, b"\0" * 4)
    for number, text in enumerate(("", "[]", "{", "[" * 10_000, '{"config": {}}', "\ud800\\", "1")):
        yield f"metadata {number}", about(text.encode("utf-8", "replace").decode())


def memory() -> int:
    """The most that this process has taken so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def refusal(read: Callable[[], object]) -> str | None:
    """The message of a refusal, None where it was read; anything else is raised."""
    try:
        read()
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("files", [damaged, archives, values, safetensors])
def test_it_is_read_or_refused_in_a_line_soon_and_in_little_memory(
    tmp_path: Path, files: Callable[[], Files]
) -> None:
    file = tmp_path / "x.pth"
    said = Given("resnet8_w8", "digits", "none")
    for name, content in files():
        file.write_bytes(content)
        before, began = memory(), time.process_time()
        messages = [refusal(lambda: read_weights(file)), refusal(lambda: trained(file, said))]
        assert time.process_time() - began < 2, name
        assert memory() - before < 500e6, name
        for message in filter(None, messages):
            assert message.startswith(str(file)), name
            assert len(message.replace(str(file), "")) < LONGEST, name
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.parametrize("kind", ["fifo", "device", "loop"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.pth"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.symlink_to(path)
    with pytest.raises(UserError, match=r"is no file|there is no"):
        read_weights(path)
