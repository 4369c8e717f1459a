"""Seconds by steps, in a file of the run's folder."""

from pathlib import Path

import pytest

from reslab.errors import UserError
from reslab.store.times import TIMES, read_times, write_times


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    assert read_times(tmp_path) == {}
    write_times(tmp_path, {19: 0.5, 38: 1.25})
    assert read_times(tmp_path) == {19: 0.5, 38: 1.25}


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '{"19": -1}', '{"19": "x"}', "{"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / TIMES).write_text(text)
    with pytest.raises(UserError, match=r"times\.json is damaged"):
        read_times(tmp_path)
