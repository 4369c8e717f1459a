"""The training rows: their order, and a whole measurement of a tiny net; no test times anything."""

import json
from pathlib import Path

import pytest
from benchmarks.training import main, parser, turned

from reslab.errors import UserError


def test_every_row_begins_a_round_and_has_rows_before_and_after_it() -> None:
    names = ["a", "b", "c"]
    rounds = [turned(names, turn) for turn in range(4)]
    assert ["".join(each) for each in rounds] == ["abc", "acb", "cab", "cba"]


def test_an_unknown_net_is_refused() -> None:
    with pytest.raises(UserError, match="--net=resnet21: expected some of resnet20"):
        parser().parse_args(["--net", "resnet21"])


@pytest.mark.slow
@pytest.mark.process
def test_a_tiny_net_in_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All but the compiled ones, which take a compiler half a minute."""
    file = tmp_path / "found.json"
    words = ["--net=tiny,loader_tiny", "--rows=bare,reslab,usual*,Lightning*", "--rounds=2"]
    assert main([*words, "--seconds=0.2", f"--json={file}"]) == 0
    printed = capsys.readouterr().out
    rows = json.loads(file.read_text())["cases"]["tiny"]["rows"]
    assert set(rows) == {
        "bare",
        "reslab",
        "usual, 0 workers",
        "usual, 2 workers",
        "usual, 4 workers",
        "Lightning, 2 workers",
    }
    assert all(len(row["rates"]) == 2 and min(row["rates"]) > 0 for row in rows.values())
    assert all("evaluation_rate" in rows[name] for name in ("bare", "reslab"))
    assert main([f"--from={file}"]) == 0
    assert capsys.readouterr().out == printed
