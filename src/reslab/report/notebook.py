"""A page as a notebook: its text and, as cells that run, its commands and its Python.

A page is read at the root of the repository, and a notebook begins in its own folder, docs: its
first cell goes up.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

CELL = re.compile(r"^```(sh|python)\n(.*?)^```\n", flags=re.DOTALL | re.MULTILINE)


def notebook(page: str) -> str:
    """The JSON of a notebook (nbformat 4.5) without outputs."""
    written = [_cell(number, kind, text) for number, (kind, text) in enumerate(_parts(page))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _parts(page: str) -> Iterator[tuple[str, str]]:
    """Kind ("markdown" or "code") and text of each cell."""
    yield "code", "%cd -q .."
    end = 0
    for found in CELL.finditer(page):
        yield "markdown", page[end : found.start()].strip("\n")
        language, text = found[1], found[2].rstrip()
        if language == "sh":
            text = re.sub(r"^make ", "!make ", text, flags=re.MULTILINE)
        yield "code", text
        end = found.end()
    yield "markdown", page[end:].strip("\n")


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    code: dict[str, Any] = {}
    if kind == "code":
        code = {"execution_count": None, "outputs": []}
    source = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, **code, "source": source}
