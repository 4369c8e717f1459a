"""What runs are is read from their folders, and understood once for all seeds."""

from pathlib import Path

import pytest
from tests.report.conftest import Lab

from reslab.config.resolve import read_run
from reslab.errors import UserError
from reslab.store import described
from reslab.store.described import read_config


def test_of_runs_that_differ_in_their_seed_one_description_is_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That takes longest: a table over 1,000 runs of 100 variants understands 100. What each is, is
    its own."""
    lab = Lab()
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=20)
    folders += lab.variant("ResNet 32", {"model": "resnet32"}, seeds=20)
    resolved, resolve = list[str](), described.resolve
    monkeypatch.setattr(
        described, "resolve", lambda tree, where: (resolved.append(where), resolve(tree, where))[1]
    )
    configs = [read_config(folder) for folder in folders]
    assert len(resolved) <= 2
    assert configs == [read_run(folder / described.CONFIG) for folder in folders]
    assert [config.run_id for config in configs] == [f.name.rpartition("-")[2] for f in folders]


def test_what_is_damaged_or_not_there_is_named(tmp_path: Path) -> None:
    [folder] = Lab().variant("ResNet 20", {"model": "resnet20"})
    file = folder / described.CONFIG
    file.write_text(file.read_text().replace("steps:", "stepz:"))
    with pytest.raises(UserError, match=f"{file}: recipe.stepz: no such field"):
        read_config(folder)
    with pytest.raises(UserError, match=f"{tmp_path / described.CONFIG}: No such file"):
        read_config(tmp_path)
