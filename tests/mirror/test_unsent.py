"""Which logs of W&B the server has not got."""

from pathlib import Path

import pytest

from reslab.mirror import unsent


def wandb_log(folder: Path, start: str) -> Path:
    log = folder / "wandb" / start / "run-abc.wandb"
    log.parent.mkdir(parents=True)
    log.touch()
    return log


def test_logs_that_the_server_has_not_got_are_in_the_order_of_their_starts(tmp_path: Path) -> None:
    third = wandb_log(tmp_path, "offline-run-20260103_000000-abc")
    first = wandb_log(tmp_path, "offline-run-20260101_000000-abc")
    second = wandb_log(tmp_path, "run-20260102_000000-abc")
    wandb_log(tmp_path, "run-20260104_000000-abc")
    (tmp_path / "wandb" / "latest-run").symlink_to(third.parent.name)
    assert unsent.unsent_logs(tmp_path) == [first, third]
    unsent.mark_of_unsent(second).touch()
    assert unsent.unsent_logs(tmp_path) == [first, second, third]
    unsent.mark_of_unsent(second).unlink()
    assert unsent.unsent_logs(tmp_path) == [first, third]
    unsent.mark_of_unsent(second).touch()
    for log in (first, second):
        log.with_name(f"{log.name}.synced").touch()
    assert unsent.unsent_logs(tmp_path) == [third]


def test_how_to_send_offline_runs_is_said_where_there_are_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = tmp_path / "quickstart"
    unsent.say_how_to_send(experiment)
    assert capsys.readouterr().out == ""
    log = wandb_log(experiment / "plain-8-s0", "offline-run-20260101_000000-abc")
    unsent.say_how_to_send(experiment)
    said = capsys.readouterr().out
    assert said == "W&B has not got 1 log; to send: make sync NAME=quickstart\n"
    log.with_name(f"{log.name}.synced").touch()
    unsent.say_how_to_send(experiment)
    assert capsys.readouterr().out == ""
