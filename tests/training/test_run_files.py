"""Which files a run looks at while it trains: hundreds of runs may share one file system."""

from pathlib import Path

import pytest
from tests.listener import Listener
from tests.small_runs import MakeRun

from reslab import store
from reslab.training.start import start


@pytest.mark.process
def test_between_two_checkpoints_no_folder_is_listed_and_two_files_are_opened_for_a_row(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row a step, the first checkpoint at step 38: who holds the run is read, a row written."""
    listener, append = Listener(), store.append_metrics

    def heard(folder: Path, row: store.Row) -> None:
        listener.listens = listener.listens and row["step"] < 37
        append(folder, row)
        listener.listens = listener.listens or row["step"] == 1

    monkeypatch.setattr(store, "append_metrics", heard)
    config = make_run("a")
    assert start(config) == 0
    of_a_row = [("open", str(config.with_name(name))) for name in (store.LOCK, store.METRICS)]
    assert listener.heard == [*(35 * of_a_row), of_a_row[0]]
