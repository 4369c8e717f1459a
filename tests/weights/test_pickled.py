"""Files of torch.save are read as torch reads them, and nothing in them runs or takes memory."""

import os
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reslab.errors import UserError
from reslab.weights.pickled import Saved, Stored, read_saved

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int64,
          torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16)  # fmt: skip


def saved(path: Path, value: Any, **how: Any) -> Saved:
    torch.save(value, path, **how)
    return read_saved(path)


def tensor(value: Any, path: Path, **how: Any) -> Tensor:
    read = saved(path, value, **how)
    assert isinstance(read.held, Stored)
    return read.tensor(read.held)


FORMS = [{"_use_new_zipfile_serialization": new, "pickle_protocol": protocol}
         for new in (True, False) for protocol in (2, 4, 5)]  # fmt: skip


@pytest.mark.parametrize("how", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_are_read_bit_for_bit(tmp_path: Path, dtype: torch.dtype, how: Any) -> None:
    bits = torch.randint(0, 2, (5, 8), dtype=torch.uint8)
    value = bits.to(dtype)
    read = tensor(value, tmp_path / "x.pth", **how)
    assert read.dtype == dtype and torch.equal(read.view(torch.uint8), value.view(torch.uint8))


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[1:, 2], lambda x: x.t(), lambda x: x[::2], lambda x: x[0, 0],
        lambda x: x[:0], lambda x: torch.nn.Parameter(x), lambda x: x.requires_grad_(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("new", [True, False])
def test_views_are_read_as_such(
    tmp_path: Path, view: Callable[[Tensor], Tensor], new: bool
) -> None:
    value = view(torch.rand(4, 6))
    read = tensor(value, tmp_path / "x.pth", _use_new_zipfile_serialization=new)
    assert torch.equal(read, value.detach())


def test_plain_values_are_read_as_they_are(tmp_path: Path) -> None:
    value = {"a": [1, -2, 2**40, 1.5, True, None, "猫", b"b"], 3: (1, 2), "d": {"e": ()}}
    assert saved(tmp_path / "x.pth", value).held == value


def test_numbers_of_numpys_are_plain_values(tmp_path: Path) -> None:
    numbers = [np.float64(93.6), np.float32(0.5), np.int64(-3), np.uint8(7), np.bool_(True)]
    assert saved(tmp_path / "x.pth", numbers).held == [93.6, 0.5, -3, 7, True]


def test_kinds_of_dicts_and_sets_are_dicts_and_lists(tmp_path: Path) -> None:
    many = [OrderedDict(a=1), defaultdict(dict, a=1), Counter("a"), {1}, torch.Size((2, 3))]
    held = saved(tmp_path / "x.pth", many).held
    assert held == [{"a": 1}, {"a": 1}, {"a": 1}, [1], (2, 3)]


def test_types_and_devices_are_read_as_names(tmp_path: Path) -> None:
    held = saved(tmp_path / "x.pth", [torch.float32, torch.device("cuda:1")]).held
    assert held[0].name == "torch.float32"
    assert held[1] == "cuda:1"


class Payload:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Payload(), "posix.mkdir"),
        (Namespace(lr=0.1), "argparse.Namespace"),
        (np.zeros(3), r"numpy\._core\.multiarray\._reconstruct"),
        (torch.nn.Linear(1, 1), r"torch\.nn\.modules\.linear\.Linear"),
        (torch.zeros(2, 2).to_sparse(), "a sparse tensor"),
        (torch.zeros(2, device="meta"), "a tensor without numbers"),
    ],
)
def test_all_else_is_refused_by_its_name_with_the_line_that_saves_tensors_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"it holds {named}.*torch\.save\(net\.state_dict\(\)"):
        saved(tmp_path / "x.pth", {"state_dict": {"x": torch.ones(1)}, "more": value})
    assert not (tmp_path / "ran").exists()


def test_a_storage_without_its_numbers_is_refused(tmp_path: Path) -> None:
    """As a file that lies about a size would read another process's memory."""
    file = tmp_path / "x.pth"
    torch.save(torch.ones(100), file)
    rewrite(file, {"x/data/0": b"\0" * 8})
    read = read_saved(file)
    with pytest.raises(UserError, match="a tensor needs 100 numbers, but the file has fewer"):
        read.tensor(read.held)


def rewrite(file: Path, changed: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> None:
    """The same archive with other entries."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in {**entries, **changed}.items():
            archive.writestr(name, content)


def test_a_packed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    torch.save(torch.ones(1), file)
    rewrite(file, {"x/data/0": b"\0" * 2**24}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"an archive of .* bytes that says it holds 16,7"):
        read_saved(file)


def program(*parts: bytes) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + b"".join(parts) + b"."


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


NESTED = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))
"""A tuple of twice the tuple before, sixty times: its hash would take 2**60 steps."""


@pytest.mark.parametrize(
    "code",
    [
        program(b"cbuiltins\nbytearray\n", b"\x8a\x05\0\0\0\0\x7f", b"\x85R"),
        program(b"ctorch\nTensor\n", b"J\xff\xff\xff\x7f" * 2, b"\x86R"),
        program(b"}", NESTED, b"K\x01s"),
        program(b"r\xff\xff\xff\xff"),
        program(b"X\xff\xff\xff\xff"),
        program(b"\x8b\xff\xff\xff\x7f"),
        program(b"R"), program(b"t"), program(b"h\x05"), program(b"Q"), program(b""), b"", b"\x80",
        program(b"K\x01K\x02a"), program(b"]K\x01K\x02s"), program(b"(lp0\n."),
        program(b"cos\nsystem\n", text("touch ran"), b"\x85R"),
        program(text("os"), text("system"), b"\x93", text("touch ran"), b"\x85R"),
        program(b"cbuiltins\neval\n"),
        program(b"ccollections\nOrderedDict\n", b")R", b"}", text("__class__"), b"K\x01s", b"bb"),
        program(b"N" * 1_000_001),
        program(b"(" * 1000), program(b"0" * 10), program(b"]q\0h\0a"),
    ],
)  # fmt: skip
def test_no_pickle_runs_takes_memory_or_takes_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: bytes
) -> None:
    """Either it is refused, or it is a plain value."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "x.pth"
    torch.save(torch.ones(1), file)
    rewrite(file, {"x/data.pkl": code})
    try:
        held = read_saved(file).held
    except Exception as error:
        assert not isinstance(error, MemoryError)
    else:
        assert isinstance(held, list | dict)
    assert not (tmp_path / "ran").exists()


def test_a_plain_pickle_is_none_of_torchs(tmp_path: Path) -> None:
    file = tmp_path / "x.pkl"
    file.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"a plain pickle and not by torch\.save"):
        read_saved(file)
