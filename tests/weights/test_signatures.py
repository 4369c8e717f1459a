"""What is no file of weights is called by its name, with what to do about it."""

import io
import tarfile
from pathlib import Path

import pytest

from reslab.weights.signatures import what_it_is

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234567\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (LFS, "a Git LFS pointer: git lfs pull"),
        (b"", "it is empty; download it again"),
        (b"\n<!DOCTYPE html>\n<html>", "a web page; download the file that it leads to"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (b"<?xml version='1.0'?><Error>", "an XML text"),
        (b"\x1f\x8b\x08\0", "packed by gzip; unpack it"),
        (b"BZh9", "packed by bzip2"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\0" * 4096, "begins with zeros"),
        ("Zugriff verweigert für 猫".encode(), "it is a text"),
        (("x" * 511 + "猫").encode(), "it is a text"),
        (bytes(range(250, 256)) * 9, "neither a safetensors file nor one by torch.save"),
    ],
)
def test_files_are_told_by_their_first_bytes(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(content)
    assert told in what_it_is(file)


def test_a_tar_archive_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("net.pth"), io.BytesIO())
    assert what_it_is(file) == "it is a tar archive; unpack it first"
