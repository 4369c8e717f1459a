"""Mutated weights, through all that reads them: taken, or refused in a short message."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.conftest import DECODING
from tests.hostile.conftest import Main
from tests.hostile.guard import outcome
from tests.hostile.mutations import HOSTILE, LEAVES, damaged, each, texts, trees
from tests.hostile.tensors import TENSORS, saved
from torchvision.io import write_png

pytestmark = DECODING

Draw = Callable[[Any], Any]


class Payload:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("open('pwned', 'w')",)


@pytest.fixture(scope="session")
def originals(finished: Path) -> dict[str, bytes]:
    """One net of digits in all forms that are read, by the suffix of its file."""
    [checkpoint] = finished.glob("a-s0-*/last.ckpt")
    held = torch.load(checkpoint, weights_only=True)
    state = {k.removeprefix("net."): v.contiguous() for k, v in held["state_dict"].items()}
    kinds = {".ckpt": checkpoint.read_bytes()}
    for suffix, content, zipped in (
        (".pth", state, True),
        (".pt", {"state_dict": state, "epoch": 3}, True),
        (".th", state, False),
        (".bin", {"state_dict": state, "payload": Payload()}, True),
        (".tar", {"model": state, "payload": Payload()}, False),
    ):
        file = io.BytesIO()
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        kinds[suffix] = file.getvalue()
    about = {"format": "pt", "reslab": _about(held["reslab"])}
    save_file(state, checkpoint.with_name("net.safetensors"), about)
    assert load_file(checkpoint.with_name("net.safetensors"))
    kinds[".safetensors"] = checkpoint.with_name("net.safetensors").read_bytes()
    checkpoint.with_name("net.safetensors").unlink()
    return kinds


def _about(held: dict[str, Any]) -> str:
    """A checkpoint's own part as safetensors have it."""
    state = held["normalization"]
    plain = {key: v.tolist() if isinstance(v, torch.Tensor) else v for key, v in state.items()}
    return json.dumps(
        {
            "config": json.loads(held["config"]),
            "normalization": plain,
            "class_names": list(held["class_names"]),
        }
    )


@dataclass(frozen=True)
class File:
    """What a file of weights is called by, and holds: too much for a message."""

    suffix: str
    content: bytes = field(repr=False)


@st.composite
def files(draw: Draw, kinds: dict[str, bytes]) -> File:
    """Damaged as a whole, or in the part that is parsed."""
    suffix = draw(st.sampled_from(sorted(kinds)))
    content = kinds[suffix]
    if suffix in (".ckpt", ".pt", ".pth") and draw(st.booleans()):
        held = torch.load(io.BytesIO(content), weights_only=True)
        return File(suffix, saved(draw(trees(dict(held), (*LEAVES, *TENSORS)))))
    if draw(st.booleans()):
        return File(suffix, draw(damaged(content)))
    if suffix == ".safetensors":
        return File(suffix, _another_header(draw, content))
    if content[:2] == b"PK":
        return File(suffix, _another_pickle(draw, content))
    return File(suffix, draw(damaged(content[:2000])) + content[2000:])


def _another_header(draw: Draw, content: bytes) -> bytes:
    """Safetensors: 8 bytes of the header's length, JSON, tensors."""
    [length] = struct.unpack("<Q", content[:8])
    text = content[8 : 8 + length].decode()
    header = draw(texts([text]) | trees(json.loads(text)).map(_as_json) | _another_about(text))
    claimed = draw(st.sampled_from([len(header), len(header), length, 0, 2**40, 2**63]))
    return struct.pack("<Q", claimed) + header + content[8 + length :]


def _as_json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


@st.composite
def _another_about(draw: Draw, text: str) -> bytes:
    """Our own part says something else."""
    header = json.loads(text)
    header["__metadata__"]["reslab"] = json.dumps(
        draw(trees(json.loads(header["__metadata__"]["reslab"])))
    )
    return _as_json(header)


def _another_pickle(draw: Draw, content: bytes) -> bytes:
    """torch's zip file with another pickle, whose checksum is right, or other tensors."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = draw(st.sampled_from([*(["pickle"] * 6), "none", *old.namelist()[:4]]))
        for name in old.namelist():
            part = old.read(name)
            if name == chosen and draw(st.booleans()):
                continue
            if name == chosen or (chosen == "pickle" and name.endswith("data.pkl")):
                part = draw(st.one_of(damaged(part), _other_opcodes(part), st.just(_pickled(draw))))
            new.writestr(name, part)
    return made.getvalue()


@st.composite
def _other_opcodes(draw: Draw, part: bytes) -> bytes:
    """A pickle in which a name or a number is another of the same length."""
    names = [b"state_dict", b"_rebuild_tensor_v2", b"collections", b"OrderedDict", b"FloatStorage"]
    there = [name for name in names if name in part]
    if not there:
        return part
    old = draw(st.sampled_from(there))
    return part.replace(old, draw(st.binary(min_size=len(old), max_size=len(old))), 1)


def _pickled(draw: Draw) -> bytes:
    word = draw(st.sampled_from([*HOSTILE, 3, [1], {"state_dict": 3}, None, Payload()]))
    return pickle.dumps(word, protocol=2)


@pytest.mark.parametrize("cases", [40, pytest.param(900, marks=pytest.mark.slow)])
def test_weights_are_read_or_refused(
    cases: int, place: Path, script: Main, originals: dict[str, bytes]
) -> None:
    write_png(torch.zeros(1, 8, 8, dtype=torch.uint8), str(place / "image.png"))
    net = ("--model=resnet8_w8", "--data=digits", "--normalization=channel")
    doors = [
        lambda file: script("predict", "image.png", "--weights", file),
        lambda file: script("evaluate", file, *net),
        lambda file: script("evaluate", file),
        lambda file: script("export", file, "--to", "safetensors", "runs/x.safetensors"),
    ]

    def case(drawn: tuple[File, int]) -> None:
        weights, door = drawn
        file = place / f"weights{weights.suffix}"
        file.write_bytes(weights.content)
        outcome(doors[door](file), place)

    each(cases, st.tuples(files(originals), st.integers(0, len(doors) - 1)), case)
