"""What a cluster's file says is all read, or refused with its place."""

import os
from pathlib import Path

import pytest

from reslab import store
from reslab.config.cluster import Cluster, read_cluster
from reslab.errors import UserError
from reslab.execution import Execution


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def test_what_ships_is_as_it_says() -> None:
    assert read_cluster("slurm", Execution()) == Cluster()
    assert read_cluster("slurm_gpu", Execution()) == Cluster(gpus=1, cores=8)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{partitions: low}", "partitions: no such field (got 'low'); did you mean partition?"),
        ("{time: 1 day}", "time: got '1 day'; expected"),
        ("{time: 0}", "time: got 0; expected"),
        ("{time: '8:00:00'}", "time: got '8:00:00'; expected a whole number of minutes"),
        ("{time: 8:00:00}", "time: got '8:00:00'; expected a whole number of minutes"),
        ("{warning: 2m}", "warning: got '2m'; expected a whole number of seconds"),
        ("{memory: 64G}", "memory: got '64G'; expected a whole number of GB, for example 64"),
        ("{gpus: 4, cores: 2}", "cores: got 2; expected 4 or more with gpus: 4"),
        ("{time: 1}", "time: got 1; expected two minutes or more"),
        ("{time: 3}", "warning: got 120; expected 119 seconds or fewer with time: 3"),
        ("{time: 9999, warning: 65536}", "warning: got 65536; expected 65535 seconds or fewer"),
        ("{setup: module load cuda}", "setup: got 'module load cuda'; expected a list"),
    ],
)
def test_what_is_wrong_in_it_is_said_with_its_place(words: Path, text: str, said: str) -> None:
    words.write_text(text)
    with pytest.raises(UserError) as caught:
        read_cluster(str(words), Execution())
    assert f"{words}: {said}" in str(caught.value)


def test_a_cluster_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"configs/clusters has no 'slrm'; did you mean slurm"):
        read_cluster("slrm", Execution())


def test_cores_that_are_not_said_are_eight_for_each_gpu() -> None:
    assert [Cluster(gpus=gpus).cores for gpus in (0, 1, 4)] == [2, 8, 32]
    assert Cluster(gpus=4, cores=4).cores == 4


@pytest.mark.parametrize(
    ("text", "devices", "said"),
    [
        ("{gpus: 2}", 1, "gives each run gpus: 2; expected DEVICES=2"),
        ("{gpus: 1}", 2, "gives each run gpus: 1; expected DEVICES=1"),
        ("{cores: 2}", 4, "gives each run cores: 2; expected DEVICES=2"),
        ("{nodes: 2, gpus: 2}", 2, "gpus: 2 on each of nodes: 2; expected DEVICES=4"),
        ("{nodes: 2, cores: 4}", 1, "cores: 4 on each of nodes: 2; expected DEVICES=8"),
        ("{nodes: 2, cores: 4}", 3, "cores: 4 on each of nodes: 2; expected DEVICES=8"),
    ],
)
def test_a_run_has_as_many_devices_as_it_is_given(
    words: Path, text: str, devices: int, said: str
) -> None:
    words.write_text(text)
    with pytest.raises(UserError) as caught:
        read_cluster(str(words), Execution(devices))
    assert said in str(caught.value)
    words.write_text("{gpus: 2}")
    assert read_cluster(str(words), Execution(2)).gpus == 2
    words.write_text("{nodes: 2, cores: 4}")
    assert read_cluster(str(words), Execution(6)).tasks_per_node(6) == 3


def test_runs_lie_where_it_says_unless_the_environment_says_it(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words.write_text(f"{{runs: {tmp_path / 'shared'}}}")
    read_cluster(str(words), Execution())
    assert store.runs_root() == tmp_path / "runs"
    monkeypatch.delenv("RESLAB_RUNS")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    read_cluster(str(words), Execution())
    assert store.runs_root() == tmp_path / "shared"
