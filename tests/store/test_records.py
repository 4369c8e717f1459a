"""A file of a run that is not what it should be is named, with the line or the path in it."""

import json
from pathlib import Path

import pytest
from tests.results import DIVERGED, DONE

from reslab.errors import UserError
from reslab.store import records


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n "a": 1,\n', "line 3: "),
        ("", "line 1: Expecting value"),
        ("[" * 10_000, "nested too deeply"),
        (b"\xff", "byte 0 is no UTF-8"),
        ("9" * 5000, "4300 digits"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        records.read(file)
    assert str(caught.value).startswith(f"{file} is damaged: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "value", "where"),
    [
        (records.RESULT, [], "Input should be"),
        (records.RESULT, {**DONE, "status": "fine"}, "status: "),
        (records.RESULT, {**DONE, "step": "7"}, "step: "),
        (records.RESULT, {**DONE, "test": {}}, "test.top1_error: "),
        (records.RESULT, {"status": "done", "step": 1}, "a run that is done has train and test"),
        (records.STARTS, {}, "Input should be"),
        (records.STARTS, [{"devices": 0}], "0.devices: "),
        (records.STARTS, [{"time": "yesterday"}], "0.time: "),
        (records.CRASH, {}, "message: "),
        (records.TRACKING, {"id": 1}, "id: "),
        (records.METRICS, {"step": 1, "loss": "low"}, "loss"),
        (records.EVALUATION, {"top1_error": None}, "top1_error: "),
    ],
)
def test_what_has_another_shape_is_told_with_the_path(
    shape: records.Shape, value: object, where: str
) -> None:
    with pytest.raises(ValueError, match=where.replace(".", r"\.")):
        records.parse(json.dumps(value), shape)


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a/b", ".hidden", ""])
def test_a_plans_run_is_a_folder_beside_it(name: str) -> None:
    row = {"label": "a", "difference": {}, "params": 1, "multiply_adds": 1, "runs": [name]}
    with pytest.raises(ValueError, match=r"runs\.0"):
        records.PLAN.validate_python(
            {"experiment": "x", "title": "x", "options": {}, "published": None, "variants": [row]}
        )


def test_other_keys_may_be_there() -> None:
    """Of a later version, or of somebody's own."""
    for shape, value in ((records.RESULT, DONE), (records.RESULT, DIVERGED)):
        shape.validate_python({**value, "mine": [1]})


def test_a_missing_file_is_none_and_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    assert records.read(tmp_path / "missing.json") is None
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        records.read(tmp_path)
