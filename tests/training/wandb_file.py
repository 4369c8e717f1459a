"""Reads the records of an offline W&B run: a LevelDB log of protocol-buffer messages.

LevelDB's log format: blocks of 32 KiB; a record has a checksum (4 bytes), a length (2, little
endian) and a type (1: whole, 2: first, 3: middle, 4: last part). W&B puts 7 bytes before the first.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, PREFIX = 32_768, 7, 7


def records(path: Path) -> Iterator[Any]:
    """The `wandb_internal_pb2.Record`s in a run-….wandb file, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts = path.read_bytes(), PREFIX, b""
    while position + HEADER <= len(content):
        if BLOCK - position % BLOCK < HEADER:  # a block's end that holds no header is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record
