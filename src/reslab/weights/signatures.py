"""What a file is that holds no weights, by its first bytes, and what to do about it."""

from pathlib import Path

SIGNATURES: dict[bytes, str] = {
    b"version https://git-lfs": "a Git LFS pointer: git lfs pull brings the file itself",
    b"<!doctype html": "a web page; download the file that it leads to",
    b"<html": "a web page; download the file that it leads to",
    b"<?xml": "an XML text, perhaps a server's error; download the file again",
    b"\x1f\x8b": "packed by gzip; unpack it first",
    b"bz": "packed by bzip2; unpack it first",
    b"\xfd7zxz": "packed by xz; unpack it first",
    b"7z\xbc\xaf": "packed by 7-Zip; unpack it first",
    b"rar!": "packed by RAR; unpack it first",
    b"\x89hdf": "an HDF5 file (Keras, MATLAB); only torch's and safetensors are read",
    b"\x93numpy": "an array of numpy's; only torch's files and safetensors are read",
    b"gguf": "a GGUF file; only torch's files and safetensors are read",
    b"\x08": "perhaps an ONNX file; only torch's files and safetensors are read",
    b"\x80": "a plain pickle and not by torch.save, which runs code where it is read; where it was "
    "made: torch.save(net.state_dict(), 'weights.pth')",
}
"""The first bytes, small letters, and what begins so."""

TAR = 257
"""Where a tar archive says that it is one."""


def what_it_is(path: Path) -> str:
    """`it is …`, a sentence for people about a file that is none by torch.save."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "it is empty; download it again"
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, kind in SIGNATURES.items():
        if begin.startswith(signature):
            return f"it is {kind}"
    if head[TAR:].startswith(b"ustar"):
        return "it is a tar archive; unpack it first"
    if not head.strip(b"\0"):
        return "it begins with zeros: a download or a copy that was not finished"
    if _is_text(head):
        return "it is a text; expected a safetensors file, or one by torch.save"
    return "it is neither a safetensors file nor one by torch.save, or it is damaged"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:  # perhaps a letter that the 512 bytes divide
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter.isspace() for letter in text)
