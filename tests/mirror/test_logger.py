"""W&B mirrors the run folder, as read back from its file; absent or broken, it costs nothing."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.small_runs import MakeRun
from tests.training.wandb_file import records
from tests.wandb_server import wandb_server

from reslab import disk, store
from reslab.mirror import unsent
from reslab.mirror.dashboard import COLUMNS, CURVES, FINAL, STEP

SHORT = {"recipe.steps": 20, "recipe.schedule.milestones": [10, 15]}


def start(
    repository: Path, config: Path, *words: str, **environment: str
) -> "subprocess.Popen[str]":
    """Begin to train in a process of its own, W&B as these variables say."""
    return subprocess.Popen(
        [sys.executable, str(repository / "scripts" / "train.py"), str(config), *words],
        env={**os.environ, "WANDB_MODE": "", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(repository: Path, config: Path, **environment: str) -> str:
    """Train to the end; what was printed."""
    with start(repository, config, **environment) as training:
        return end(training, config)


def end(training: "subprocess.Popen[str]", config: Path) -> str:
    """Wait for the result; what was printed."""
    output, _ = training.communicate(timeout=300)
    assert training.returncode == 0, output
    assert store.state(config.parent) == "done"
    return output


def offline_file(folder: Path) -> Path:
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return file


def values(items: Any) -> dict[str, Any]:
    """Keys and values of wandb's list of JSON items."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.mark.process
def test_an_offline_run_holds_group_tags_config_history_and_summary(
    make_run: MakeRun, repository: Path
) -> None:
    config = make_run("variant", SHORT)
    folder = config.parent
    described = {"group": "my-experiment", "job_type": "variant", "name": "variant-s0"}
    disk.write_json(
        folder / store.TRACKING,
        {"id": "abc-123", **described, "tags": ["he2015", "he2015/table6", "digits"]},
    )
    train(repository, config)
    found = list(records(offline_file(folder)))
    (run,) = [r.run for r in found if r.HasField("run")]
    assert (run.run_id, run.run_group, run.job_type) == ("abc-123", "my-experiment", "variant")
    assert (run.display_name, run.project) == ("variant-s0", "reslab")
    assert set(run.tags) == {"he2015", "he2015/table6", "digits"}
    told = values(run.config.update)
    assert told["recipe.optimizer.lr"] == 0.1
    assert told["seed"] == 0
    assert (told["params"], told["multiply_adds"]) == (19_074, 189_248)
    history = [values(r.history.item) for r in found if r.HasField("history")]
    rows = store.read_metrics(folder)
    errors = {row["step"]: row["test_top1_error"] for row in rows if "test_loss" in row}
    assert errors
    assert errors == {
        h["trainer/global_step"]: h["test_top1_error"] for h in history if "test_top1_error" in h
    }
    summary: dict[str, Any] = {}
    for record in found:
        summary |= values(record.summary.update) if record.HasField("summary") else {}
    result = store.read_result(folder)
    assert result is not None
    assert summary["final.test.top1_error"] == result["test"]["top1_error"]
    assert summary["final.test.wrong"] == result["test"]["wrong"]
    logged = {
        "run": {"displayName", "jobType"},
        "config": {f"{key}.value" for key in told},
        "summary": set(summary),
    }
    assert all(name in logged[section] for section, _, name in (c.partition(":") for c in COLUMNS))
    assert {STEP, *CURVES.values()} <= {key for row in history for key in row}
    assert FINAL in summary


@pytest.mark.process
def test_a_run_in_two_processes_has_one_log(make_run: MakeRun, repository: Path) -> None:
    config = make_run("shared", SHORT)
    with start(repository, config, "--devices=2", WANDB_MODE="offline") as training:
        end(training, config)
    steps = [
        values(record.history.item)["trainer/global_step"]
        for record in records(offline_file(config.parent))  # the only one
        if record.HasField("history")
    ]
    rows = [row["step"] for row in store.read_metrics(config.parent)]
    assert sorted(set(steps)) == sorted(set(rows))
    assert len(steps) <= len(rows)


@pytest.mark.process
def test_a_key_without_a_network_means_offline_within_seconds(
    make_run: MakeRun, repository: Path
) -> None:
    with socket.socket() as taken:  # bound and not listening: nothing answers there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        config = make_run("variant", SHORT)
        output = train(repository, config, WANDB_API_KEY="0" * 40, WANDB_BASE_URL=url)
    assert f"{url} does not answer: this run is logged offline" in output
    assert offline_file(config.parent).stat().st_size > 0


@pytest.mark.process
@pytest.mark.slow
def test_a_server_that_refuses_does_not_end_the_run(make_run: MakeRun, repository: Path) -> None:
    """Something answers, but it is no W&B server (a captive portal, a wrong address)."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as portal:
        try:
            assert portal.stdout is not None
            port = portal.stdout.readline().split("port ")[1].split()[0]
            config = make_run("variant", SHORT)
            output = train(
                repository,
                config,
                WANDB_API_KEY="0" * 40,
                WANDB_BASE_URL=f"http://127.0.0.1:{port}",
            )
        finally:
            portal.kill()
    assert "W&B: " in output
    assert offline_file(config.parent).stat().st_size > 0


@pytest.mark.process
@pytest.mark.slow
def test_a_server_that_answers_has_the_run(make_run: MakeRun, repository: Path) -> None:
    config = make_run("variant", SHORT)
    with wandb_server() as server:
        train(repository, config, WANDB_API_KEY="0" * 40, WANDB_BASE_URL=server.url)
        ((_, run),) = server.runs.items()
    assert run.complete
    rows = store.read_metrics(config.parent)
    assert [h["trainer/global_step"] for h in run.history.values()] == [r["step"] for r in rows]
    result = store.read_result(config.parent)
    assert result is not None
    assert run.summary["final.test.top1_error"] == result["test"]["top1_error"]
    assert not list(config.parent.glob("wandb/*/*.unsent"))


@contextmanager
def without_its_server(
    repository: Path, config: Path, patience: int
) -> Iterator["subprocess.Popen[str]"]:
    """A run whose W&B server goes away after the first row, and is waited for in the end."""
    with wandb_server() as server:
        training = start(
            repository,
            config,
            WANDB_API_KEY="0" * 40,
            WANDB_BASE_URL=server.url,
            WANDB_FINISH_TIMEOUT=str(patience),
        )
        while not store.read_metrics(config.parent):  # W&B is set up before the first step
            assert training.poll() is None
            time.sleep(0.1)
        assert server.runs
    with training:
        yield training


SHORTISH = {"recipe.steps": 300, "recipe.schedule.milestones": [200, 250]}


@pytest.mark.process
def test_a_server_that_goes_away_does_not_end_the_run(make_run: MakeRun, repository: Path) -> None:
    config = make_run("variant", SHORTISH)
    folder = config.parent
    with without_its_server(repository, config, patience=3) as training:
        steps = store.last_step(folder)
        output = end(training, config)
    assert time.time() - (folder / store.RESULT).stat().st_mtime < 20
    assert 0 < steps < 300
    (log,) = unsent.unsent_logs(folder)
    assert f"What the server has not got is in {log}" in output
    kept = [values(r.history.item) for r in records(log) if r.HasField("history")]
    assert [h["trainer/global_step"] for h in kept] == [
        r["step"] for r in store.read_metrics(folder)
    ]


@pytest.mark.process
@pytest.mark.slow
def test_a_run_that_is_killed_while_it_waits_for_the_server_has_its_log_marked(
    make_run: MakeRun, repository: Path
) -> None:
    """As the launcher does with one that has been told to stop and takes too long."""
    config = make_run("variant", SHORTISH)
    with without_its_server(repository, config, patience=100) as training:
        while not unsent.unsent_logs(config.parent):
            assert training.poll() is None
            time.sleep(0.1)
        training.kill()
    assert store.read_result(config.parent) is not None
    assert len(unsent.unsent_logs(config.parent)) == 1


@pytest.mark.process
def test_wandb_is_not_even_imported_where_it_is_disabled(make_run: MakeRun) -> None:
    config = make_run("variant", SHORT)
    program = f"""
import sys
import time
from pathlib import Path
from reslab.training.start import start
assert start(Path({str(config)!r})) == 0
assert "torch" in sys.modules
assert "wandb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not (config.parent / "wandb").exists()
