"""Logs reach W&B whole, in order and once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.wandb_server import call, wandb_server

from reslab import store
from reslab.errors import UserError
from reslab.experiments.plan import read_plan_file
from reslab.mirror import unsent
from reslab.mirror.sync import sync, truncate_torn_record
from reslab.store.plan import Options

START = """
import os, sys, time
import wandb
folder, first, last, fate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
run = wandb.init(
    mode="offline", dir=folder, project="reslab", id="abc-1", resume="allow", group="quickstart",
    settings=wandb.Settings(silent=True, x_transaction_log_flush_interval=0.2),
)
run.define_metric("trainer/global_step")
run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
for step in range(first, last):
    run.log({"test_top1_error": 100 / step, "trainer/global_step": step})
if fate == "killed":
    time.sleep(5)
    os.kill(os.getpid(), 9)
run.summary["final.test.top1_error"] = 1.0
run.finish()
"""
"""What a start of a run logs offline, without the training."""


@pytest.fixture
def planned() -> list[Path]:
    """The run folders of the quickstart's first variant, three seeds, not started."""
    plan = read_plan_file("quickstart", Options(seeds=3, only="plain-8"))
    store.write_plan(plan)
    return plan.folders()


def log(folder: Path, start: str, content: bytes = b"1234567" + b"abcd\1\0\1x") -> Path:
    """A log of a start that was made offline; by default one with a single record."""
    file = folder / "wandb" / f"offline-run-{start}-abc-1" / "run-abc-1.wandb"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


class Wandb:
    """Stands for `wandb sync`: remembers what it is given, and marks it unless told not to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[list[str]] = []
        self.refuses = ""
        monkeypatch.setattr("reslab.mirror.account.why_offline", lambda: None)
        monkeypatch.setattr("reslab.mirror.sync.subprocess.run", self.run)

    def run(self, command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        files = [word for word in command if word.endswith(".wandb")]
        self.calls.append(files)
        for file in files:
            if self.refuses and self.refuses in file:
                return subprocess.CompletedProcess(command, 0, "", "wandb: ERROR no such entity\n")
            Path(f"{file}.synced").touch()
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    return Wandb(monkeypatch)


@pytest.mark.parametrize("name", ["../elsewhere", "*", "/etc", ""])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(UserError, match="is no experiment's name"):
        sync(name, dry=True)


def test_a_link_out_of_the_runs_is_not_followed(
    planned: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(planned[0], "20260101_000000")
    log(tmp_path / "else" / "where", "20260101_000000")
    planned[0].with_name("linked").symlink_to(tmp_path / "else" / "where")
    (store.runs_root() / "linked").symlink_to(tmp_path / "else")
    assert sync(None, dry=True) == 0
    said = capsys.readouterr().out
    assert str(planned[0]) in said
    assert "linked" not in said


def test_a_runs_logs_are_sent_together_in_the_order_of_their_starts_and_once(
    planned: list[Path], wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = planned
    late, early = log(first, "20260102_000000"), log(first, "20260101_000000")
    other = log(second, "20260101_000000")
    assert sync("quickstart") == 0
    assert wandb.calls == [[str(early), str(late)], [str(other)]]
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "to send: 3 logs, 0 kB"
    assert f"{first}: 2 logs" in said
    assert sync("quickstart") == 0
    assert len(wandb.calls) == 2
    assert capsys.readouterr().out == "nothing to send\n"


def test_a_dry_call_says_what_would_be_sent_and_sends_nothing(
    planned: list[Path], wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    log(planned[0], "20260101_000000")
    assert sync("quickstart", dry=True) == 0
    assert "to send: 1 log, " in capsys.readouterr().out
    assert wandb.calls == []


def test_without_a_name_the_runs_of_all_experiments_are_sent(
    planned: list[Path], wandb: Wandb, tmp_path: Path
) -> None:
    ours = log(planned[0], "20260101_000000")
    another = log(tmp_path / "runs" / "another" / "x-s0-0123456789", "20260101_000000")
    assert sync(None) == 0
    assert sorted(wandb.calls) == sorted([[str(ours)], [str(another)]])


def test_a_run_in_training_is_left_out(
    planned: list[Path], wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in planned[:2]:
        log(folder, "20260101_000000")
    with store.lock(planned[0]):
        assert sync("quickstart") == 0
    assert "left out: 1 run in training" in capsys.readouterr().out
    [[sent]] = wandb.calls
    assert sent.startswith(str(planned[1]))


def test_a_run_that_is_refused_does_not_keep_the_others(
    planned: list[Path], wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in planned:
        log(folder, "20260101_000000")
    wandb.refuses = planned[1].name
    assert sync("quickstart") == 1
    assert len(wandb.calls) == 3
    errors = capsys.readouterr().err
    assert "not sent: " in errors and planned[1].name in errors
    assert "wandb: ERROR no such entity" in errors
    assert [len(unsent.unsent_logs(folder)) for folder in planned] == [0, 1, 0]


def test_a_log_that_holds_nothing_is_not_sent_and_not_asked_about_again(
    planned: list[Path], wandb: Wandb, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start was killed before anything was written; `wandb sync` would send nothing at all."""
    log(planned[0], "20260101_000000", b"1234567")
    good = log(planned[0], "20260102_000000")
    assert sync("quickstart") == 0
    assert wandb.calls == [[str(good)]]
    assert "holds nothing: killed before" in capsys.readouterr().out
    assert unsent.unsent_logs(planned[0]) == []


def part(kind: int, length: int) -> bytes:
    """A part of a record as LevelDB writes it; the checksum is not looked at."""
    return b"sum!" + length.to_bytes(2, "little") + bytes([kind]) + b"x" * length


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        part(1, 30)[:3],
        part(1, 30)[:20],
        part(2, 30),
        part(2, 30) + part(3, 10) + part(4, 10)[:9],
        bytes(50),
    ],
    ids=["whole", "header", "payload", "no last part", "last part", "zeros"],
)
def test_what_a_kill_has_torn_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    whole = b"1234567" + part(1, 50) + part(2, 5) + part(3, 5) + part(4, 5)
    file = log(tmp_path, "20260101_000000", whole + torn)
    assert truncate_torn_record(file)
    assert file.read_bytes() == whole


def test_a_record_after_a_blocks_padding_is_kept(tmp_path: Path) -> None:
    filled = b"1234567" + part(1, 32_768 - 7 - 7 - 3)
    whole = filled + bytes(3) + part(1, 10)
    file = log(tmp_path, "20260101_000000", whole + b"torn")
    assert truncate_torn_record(file)
    assert file.read_bytes() == whole


def test_without_a_key_nothing_is_sent_and_the_reason_is_said(planned: list[Path]) -> None:
    log(planned[0], "20260101_000000")
    with pytest.raises(UserError, match=r"nothing was sent: there is no key for https://"):
        sync("quickstart")


def test_what_was_not_run_has_nothing_to_send(planned: list[Path]) -> None:
    with pytest.raises(UserError, match="'quickstrat' has not been run"):
        sync("quickstrat")


@pytest.mark.process
@pytest.mark.slow
def test_starts_of_one_run_are_one_curve_in_wandb(planned: list[Path], repository: Path) -> None:
    """The second start was killed; W&B's own server counts lines, and so does ours."""
    environment = {k: v for k, v in os.environ.items() if k != "WANDB_MODE"}
    folder = planned[0]
    for first, last, fate in ((1, 6, "ended"), (6, 11, "killed"), (11, 16, "ended")):
        command = [sys.executable, "-c", START, str(folder), str(first), str(last), fate]
        done = subprocess.run(command, env=environment, check=False, timeout=120)
        assert done.returncode == (-9 if fate == "killed" else 0)
    torn = unsent.unsent_logs(folder)[1]
    torn.write_bytes(torn.read_bytes() + part(1, 100)[:50])
    with wandb_server() as server:
        first, second = (call(repository / "scripts" / "sync.py", server) for _ in range(2))
        [(name, run)] = server.runs.items()
    assert "to send: 3 logs" in first.stdout and second.stdout == "nothing to send\n"
    assert name == "abc-1"
    assert [row["trainer/global_step"] for row in run.history.values()] == list(range(1, 16))
    assert [row["_step"] for row in run.history.values()] == list(range(15))
    assert run.summary["final.test.top1_error"] == 1.0
    assert run.described["groupName"] == "quickstart"
