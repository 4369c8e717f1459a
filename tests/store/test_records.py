"""A file of a run that is not what it should be is named, with the line or the path in it."""

import json

import pytest
from tests.results import DIVERGED, DONE

from reslab.disk import parse_json
from reslab.store import records


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
        parse_json(json.dumps(value), shape)


def test_other_keys_may_be_there() -> None:
    """Of a later version, or of somebody's own."""
    for shape, value in ((records.RESULT, DONE), (records.RESULT, DIVERGED)):
        shape.validate_python({**value, "mine": [1]})
