"""Which of a run's W&B logs the server has not got, from the files that wandb leaves."""

from pathlib import Path

from reslab.text import counted


def unsent_logs(folder: Path) -> list[Path]:
    """A run's W&B logs that the server has not got, in the order of their starts.

    Every start has a folder `wandb/offline-run-<time>-<id>`, or `wandb/run-…` if it was online,
    with one log `run-<id>.wandb`; `wandb sync` puts `….synced` beside a log that it has sent.
    """
    logs = [
        *folder.glob("wandb/offline-run-*/run-*.wandb"),
        *(mark.with_suffix("") for mark in folder.glob("wandb/run-*/run-*.wandb.unsent")),
    ]
    unsent = [
        log for log in logs if log.exists() and not log.with_name(f"{log.name}.synced").exists()
    ]
    return sorted(unsent, key=lambda log: log.parent.name.removeprefix("offline-"))


def mark_of_unsent(log: Path) -> Path:
    """The file that is there while the log of an online start is not or not wholly sent."""
    return log.with_name(f"{log.name}.unsent")


def say_how_to_send(folder: Path) -> None:
    """Print the command that sends what W&B has not got of an experiment, if there is anything."""
    logs = [log for run in folder.glob("*") for log in unsent_logs(run)]
    if logs:
        print(f"W&B has not got {counted(len(logs), 'log')}; to send: make sync NAME={folder.name}")
