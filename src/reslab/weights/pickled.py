"""What torch.save has written, as tensors and plain values, by a machine that can run nothing.

A pickle is a program of small instructions, and some of them call what they name. `pickletools`
takes it apart; the machine here knows the instructions that tensors and plain values need, and
"calls" only the rows of `CALLS`, which are functions of ours. A tensor is at first only where it
lies; sizes are compared with the file's before memory is taken. Both of torch's forms are read: a
zip archive (since torch 1.6), and pickles followed by the bytes of the storages.

`torch.load(weights_only=True)` runs nothing either, but (torch 2.14) it refuses protocols 4
and 5, and a few bytes make it take any memory or hash nested tuples forever.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reslab.errors import UserError
from reslab.weights.signatures import what_it_is

MOST_BYTES = 32 * 2**20
"""Of a pickle; the tensors' bytes stand elsewhere."""
MOST_INSTRUCTIONS = 1_000_000
"""ResNet-1202 with its optimiser has half as many."""

ALONE = "torch.save(net.state_dict(), 'weights.pth')"
"""The line that saves the tensors alone."""

LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The number that torch wrote first before 1.6, as a pickle."""


class Global(NamedTuple):
    """A name that a pickle has of a function or a class; only a name."""

    name: str


class Storage(NamedTuple):
    """Numbers in a file, `numbers` of them from the `start`-th on."""

    key: str
    dtype: torch.dtype | None
    """None: bytes, of which the tensor says what they are."""
    start: int
    numbers: int


class Stored(NamedTuple):
    """Where a tensor lies; see `torch.as_strided`."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Saved:
    """What a file holds: dicts, lists and plain values, with `Stored` in the tensors' places."""

    held: Any
    _bytes: Callable[[str], bytearray]
    _read: dict[str, bytearray] = field(default_factory=dict)

    def tensor(self, stored: Stored) -> Tensor:
        """The tensor; those that share a storage share it here."""
        storage, dtype = stored.storage, stored.dtype
        if storage.key not in self._read:
            self._read[storage.key] = self._bytes(storage.key)
        found, start = self._read[storage.key], storage.start * _size(storage.dtype)
        count = storage.numbers * _size(storage.dtype) // dtype.itemsize
        if start + count * dtype.itemsize > len(found):
            raise UserError(f"a tensor needs {count:,} numbers, but the file has fewer")
        if not count or not math.prod(stored.size):
            return torch.empty(stored.size, dtype=dtype)
        flat = torch.frombuffer(found, dtype=dtype, count=count, offset=start)
        return flat.as_strided(stored.size, stored.stride, stored.offset)


def read_saved(path: Path) -> Saved:
    """Read a file of torch.save. `UserError`, and whatever else damage leads to, for all others."""
    with path.open("rb") as file:
        head = file.read(32)
    if head.startswith(b"PK"):
        return _read_archive(path)
    if head.startswith(b"\x80") and LEGACY in head:
        return _read_legacy(path)
    raise UserError(what_it_is(path))


# ---- a zip archive -------------------------------------------------------------------------------


def _read_archive(path: Path) -> Saved:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise UserError("it is the beginning of a zip archive: cut off, or damaged") from None
    folder = _folder(archive)
    _refuse_packed(archive, path.stat().st_size)
    if f"{folder}constants.pkl" in archive.namelist():
        raise UserError(f"it is a TorchScript program; where it was made: {ALONE}")
    if _entry(archive, f"{folder}byteorder", b"little") != b"little":
        raise UserError("its numbers are of a big-endian machine")
    if archive.getinfo(f"{folder}data.pkl").file_size > MOST_BYTES:
        raise UserError(f"its pickle has more than {MOST_BYTES:,} bytes")
    held, _ = interpreted(io.BytesIO(archive.read(f"{folder}data.pkl")))
    # The archive stays open for as long as the value lives.
    return Saved(held, lambda key: bytearray(archive.read(f"{folder}data/{key}")))


def _folder(archive: zipfile.ZipFile) -> str:
    """What the names of the archive's entries begin with."""
    found = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if not found:
        names = ", ".join(repr(name[:40]) for name in archive.namelist()[:3])
        raise UserError(f"it is a zip archive of {names or 'nothing'}, not one by torch.save")
    return found[0].removesuffix("data.pkl")


def _refuse_packed(archive: zipfile.ZipFile, size: int) -> None:
    """torch packs nothing: what an archive says it holds lies in the file, byte by byte."""
    entries = archive.infolist()
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    declared = sum(entry.file_size for entry in entries)
    if packed or declared > size:
        raise UserError(
            f"it is an archive of {size:,} bytes that says it holds {declared:,}; torch.save "
            "writes what is not compressed"
        )


def _entry(archive: zipfile.ZipFile, name: str, default: bytes) -> bytes:
    return archive.read(name) if name in archive.namelist() else default


# ---- before torch 1.6 ----------------------------------------------------------------------------


def _read_legacy(path: Path) -> Saved:
    """Five pickles (a mark, a version, facts about the machine, the values, the storages' keys),
    then for each key how many numbers there are, and these."""
    with path.open("rb") as file:
        head = io.BytesIO(file.read(MOST_BYTES))
    for _ in range(3):
        interpreted(head)
    held, storages = interpreted(head)
    keys, _ = interpreted(head)
    places, place, size = {}, head.tell(), path.stat().st_size
    for key in _checked(keys, list):
        storage = storages[_text(key)]
        places[storage.key] = place + 8, storage.numbers * _size(storage.dtype)
        place += 8 + places[storage.key][1]
        if place > size:
            raise UserError(f"it is cut off: {size:,} bytes, of at least {place:,}")

    def read(key: str) -> bytearray:
        start, length = places[key]
        with path.open("rb") as file:
            file.seek(start)
            return bytearray(file.read(length))

    return Saved(held, read)


# ---- the machine ---------------------------------------------------------------------------------


class Machine:
    """A stack, its marks, and what is remembered by number."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def since_mark(self) -> list[Any]:
        """Take off what was put on since the last mark."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def take(self, count: int) -> list[Any]:
        """Take off the last values."""
        if count > len(self.stack):
            raise UserError("its pickle is damaged")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items


def interpreted(program: IO[bytes]) -> tuple[Any, dict[str, Storage]]:
    """What one pickle holds, and the storages that it names by key; `program` stands behind it."""
    machine = Machine()
    for number, (code, argument, _) in enumerate(pickletools.genops(program)):
        if number == MOST_INSTRUCTIONS:
            raise UserError(f"its pickle has more than {MOST_INSTRUCTIONS:,} instructions")
        if code.name in CONSTANTS:
            machine.stack.append(argument)
        elif code.name in INSTRUCTIONS:
            INSTRUCTIONS[code.name](machine, argument)
        else:
            raise UserError(f"its pickle has the instruction {code.name}, which tensors never need")
    return machine.stack.pop(), machine.storages


def _named(machine: Machine, name: str) -> None:
    known = name.replace("__builtin__.", "builtins.").replace("torch.cuda.", "torch.")
    if known not in NAMES:
        raise UserError(f"it holds {stands_in_the_way(name)}; where it was made: {ALONE}")
    machine.stack.append(Global(known))


def stands_in_the_way(name: str) -> str:
    """What a name that is not known here is, for a message."""
    shown = ascii(name)[1:-1][:80]
    return UNREADABLE.get(
        name,
        f"{shown}, which is neither a tensor nor a plain value and would have to be unpickled, "
        "which runs code",
    )


def _global(machine: Machine, argument: str) -> None:
    _named(machine, ".".join(argument.split(" ")))


def _stack_global(machine: Machine, _: Any) -> None:
    _named(machine, ".".join(_text(part) for part in machine.take(2)))


def _call(machine: Machine, _: Any) -> None:
    function, arguments = machine.take(2)
    machine.stack.append(result_of(function, arguments))


def result_of(function: Any, arguments: Any) -> Any:
    """What the row of `CALLS` that a pickle names makes of its arguments."""
    name = _checked(function, Global).name
    if name not in CALLS:
        raise UserError(f"its pickle calls {name}, which is no function")
    return CALLS[name](*_checked(arguments, tuple))


def _build(machine: Machine, _: Any) -> None:
    """Give a value its state; only a number's type has one that is read."""
    value, state = machine.take(2)
    if isinstance(value, np.dtype):
        value = value.newbyteorder(">" if _checked(state, tuple)[1] == ">" else "<")
    machine.stack.append(value)


def _storage(machine: Machine, _: Any) -> None:
    """The name of a storage: ("storage", its type, its key, its device, how many numbers), and in
    old files a part of it: (a key, the first, how many)."""
    kind, named, key, _device, count, *part = _checked(machine.take(1)[0], tuple)
    name = _checked(named, Global).name
    if _text(kind) != "storage" or name not in STORAGES:
        raise UserError(f"its pickle names {ascii(name)[:80]} as a storage")
    whole = Storage(_text(key), STORAGES[name], 0, _natural(count))
    machine.storages[whole.key] = whole
    if part and part[0] is not None:
        _, start, count = _checked(part[0], tuple)
        whole = whole._replace(start=_natural(start), numbers=_natural(count))
    machine.stack.append(whole)


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = _checked(machine.stack[-1], dict)
    for name, value in zip(items[::2], items[1::2], strict=True):
        target[_key(name)] = value


def _tuple(count: int) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.stack.append(tuple(machine.take(count)))


def _put(machine: Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


CONSTANTS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINSTRING", "BINSTRING",
})  # fmt: skip
"""Instructions that put their argument on the stack."""

INSTRUCTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_SET": lambda machine, _: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "APPEND": lambda machine, _: _checked(machine.stack[-2], list).extend(machine.take(1)),
    "APPENDS": lambda machine, _: _extend(machine, machine.since_mark()),
    "ADDITEMS": lambda machine, _: _extend(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, machine.take(2)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.since_mark()),
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": lambda machine, _: _put(machine, len(machine.memo)),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "BINPERSID": _storage,
}


def _extend(machine: Machine, items: list[Any]) -> None:
    _checked(machine.stack[-1], list).extend(items)


# ---- values --------------------------------------------------------------------------------------


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise UserError(f"its pickle has a {type(value).__name__} in place of a {kind.__name__}")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _checked(value, bytes).decode("ascii")


def _natural(value: Any) -> int:
    if _checked(value, int) < 0:
        raise UserError(f"a size in its pickle is {str(value)[:20]}")
    return int(value)


def _naturals(values: Any) -> tuple[int, ...]:
    return tuple(map(_natural, _checked(values, tuple)))


def _key(value: Any) -> Hashable:
    """A key of a dict, which is plain: the hash of nested tuples can take forever."""
    parts: tuple[Any, ...] = value if type(value) is tuple else (value,)
    if not all(part is None or isinstance(part, str | bytes | int | float) for part in parts):
        raise UserError(f"a key in its pickle is a {type(value).__name__}")
    return parts if type(value) is tuple else parts[0]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Stored:
    """A tensor's place, which must lie in its storage and hold no number twice."""
    storage = _checked(storage, Storage)
    return _placed(storage, storage.dtype or torch.uint8, offset, size, stride)


def _tensor_of_bytes(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Stored:
    kind = DTYPES[_checked(dtype, Global).name]
    return _placed(_checked(storage, Storage), kind, offset, size, stride)


def _placed(storage: Storage, dtype: torch.dtype, offset: Any, size: Any, stride: Any) -> Stored:
    offset, size, stride = _natural(offset), _naturals(size), _naturals(stride)
    count = storage.numbers * _size(storage.dtype) // dtype.itemsize
    numbers = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if numbers and (last >= count or numbers > count):
        shape = "×".join(str(n)[:20] for n in size[:8])
        raise UserError(f"a tensor of {shape} numbers does not lie in the {count:,} that are there")
    return Stored(storage, dtype, offset, size, stride)


def _mapping(*arguments: Any) -> dict[Any, Any]:
    """A dict of what an OrderedDict, a Counter or a defaultdict is made with."""
    pairs: dict[Any, Any] = {}
    for argument in arguments:
        if isinstance(argument, dict):
            pairs |= argument
        elif isinstance(argument, list):
            pairs |= {_key(name): value for name, value in argument}
    return pairs


def _number_type(code: Any, *_: Any) -> "np.dtype[Any]":
    if _text(code) not in NUMBERS:
        raise UserError(f"it holds numpy's {ascii(_text(code))[:20]}, which is no plain number")
    return np.dtype(_text(code))


def _number(kind: Any, content: Any) -> Any:
    """A number of numpy's as Python's."""
    if not isinstance(kind, np.dtype) or len(_checked(content, bytes)) != kind.itemsize:
        raise UserError("a number of numpy's in its pickle is damaged")
    return np.frombuffer(content, kind)[0].item()


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise UserError(f"its pickle has bytes in {ascii(encoding)[:20]}")
    return bytes(_checked(text, str).encode("latin-1"))


def _items(items: Iterable[Any] = ()) -> list[Any]:
    return list(_checked(items, list))


def _first(value: Any, *_: Any) -> Any:
    return value


def _typed(function: Any, _type: Any, arguments: Any, _state: Any) -> Any:
    """A Parameter or Buffer with attributes of its own."""
    return result_of(function, arguments)


def _size(dtype: torch.dtype | None) -> int:
    return 1 if dtype is None else dtype.itemsize


NUMBERS = frozenset({
    *("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"),
})  # fmt: skip

DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
STORAGES: dict[str, torch.dtype | None] = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
    "torch.storage.UntypedStorage": None,
}

CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_bytes,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.Size": lambda sizes=(): sizes,
    "torch.device": lambda *parts: ":".join(str(part)[:20] for part in parts),
    "torch.serialization._get_layout": _first,
    "collections.OrderedDict": _mapping,
    "collections.Counter": _mapping,
    "collections.defaultdict": _mapping,
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "builtins.bytearray": lambda content=b"", *encoding: _checked(
        content, str if encoding else bytes
    ),
    "builtins.complex": lambda *parts: parts,
    "_codecs.encode": _encoded,
    "numpy.dtype": _number_type,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
"""What pickles of tensors and plain values call, and what is done instead."""

TYPES = frozenset({
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
    "builtins.dict", "builtins.list", "builtins.int", "builtins.float", "builtins.str",
})  # fmt: skip
"""Names that stand beside tensors and are not called."""

NAMES = frozenset({*CALLS, *STORAGES, *DTYPES, *TYPES})

UNREADABLE = {
    "torch._utils._rebuild_qtensor": "a quantized tensor, of which only its net knows the numbers",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor; a net's are dense",
    "torch._utils._rebuild_nested_tensor": "a nested tensor; a net's have one shape",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without numbers (on torch's meta "
    "device)",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a library's own kind",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of a device that has no storage",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of a device that has no "
    "storage",
}
"""Tensors of torch's that are no plain ones."""
