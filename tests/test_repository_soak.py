"""The short form of `make soak`."""

from pathlib import Path

import pytest
from tests.soak.compare import differences
from tests.soak.kinds import kinds
from tests.soak.soak import prepared, soak

pytestmark = pytest.mark.slow


def test_runs_that_are_killed_and_stopped_end_as_undisturbed_ones_do(tmp_path: Path) -> None:
    """Three kinds, twenty seconds; `make soak SECONDS=600` does it in full, with a full disk."""
    folder, scratch = tmp_path / "disk", tmp_path / "scratch"
    scratch.mkdir()
    only = ("float16", "two_processes", "tracked")
    code, report = soak(folder, scratch, seconds=20, seed=0, disk=False, only=only)
    assert code == 0, report
    assert " 0 unequal; 0 left over" in report


def test_what_is_unequal_is_found(tmp_path: Path) -> None:
    """Two runs that differ by their seed alone, each under the other's name."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with prepared(tmp_path / "disk", scratch, 0, False, ("float64",), print) as made:
        made.make_undisturbed()
        one, other = made.undisturbed["float64"].runs()
    assert list(differences([one], [one])) == []
    assert next(differences([one], [other])).startswith("other runs")
    renamed = other.parents[1] / "elsewhere" / one.name
    renamed.parent.mkdir()
    other.rename(renamed)
    found = list(differences([one], [renamed]))
    assert any("result.json" in line for line in found)
    assert any("metrics.jsonl" in line for line in found)
    assert any("last.ckpt: state_dict.net." in line for line in found)


def test_there_are_two_dozen_runs_of_many_kinds(tmp_path: Path) -> None:
    everything = kinds(tmp_path)
    assert sum(kind.seeds for kind in everything) >= 24
    assert len({kind.name for kind in everything}) == len(everything) >= 10
