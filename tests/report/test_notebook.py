"""The notebook is the page: nothing stands in one that the other lacks, and its cells run."""

import json
import os
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from reslab.report.notebook import notebook

PAGE = """# Title

Text.

```sh
make experiment NAME=quickstart
make table NAME=quickstart
```

```python
print(1)
```

    not run
"""


def test_commands_and_python_are_cells_and_all_else_is_text() -> None:
    made = nbformat.reads(notebook(PAGE), as_version=4)
    nbformat.validate(made)
    assert [(cell.cell_type, cell.source) for cell in made.cells] == [
        ("code", "%cd -q .."),
        ("markdown", "# Title\n\nText."),
        ("code", "!make experiment NAME=quickstart\n!make table NAME=quickstart"),
        ("markdown", ""),
        ("code", "print(1)"),
        ("markdown", "    not run"),
    ]


def test_the_notebook_that_ships_is_the_page_that_ships(repository: Path) -> None:
    """`python scripts/notebook.py docs/from_zero.md` renews it."""
    page = (repository / "docs/from_zero.md").read_text(encoding="utf-8")
    shipped = (repository / "docs/from_zero.ipynb").read_text(encoding="utf-8")
    assert shipped == notebook(page)


@pytest.mark.slow
@pytest.mark.process
def test_the_notebook_runs_from_its_first_cell_to_its_last(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a twentieth of the steps and one seed, in a folder where nothing has run."""
    for entry in repository.iterdir():
        if entry.name not in {"runs", "docs"}:
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "docs").mkdir()
    page = (repository / "docs/from_zero.md").read_text(encoding="utf-8")
    commands = [line for line in page.splitlines() if line.startswith("make experiment ")]
    for command in commands:
        page = page.replace(f"\n{command}\n", f"\n{command} BUDGET=0.05 SEEDS=1\n")
    made = nbformat.reads(notebook(page), as_version=4)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", os.fspath(repository / "src"))
    NotebookClient(
        made, timeout=900, resources={"metadata": {"path": str(tmp_path / "docs")}}
    ).execute()
    printed = json.dumps(made)
    done = [file.parent.parent.name for file in tmp_path.glob("runs/*/*/result.json")]
    assert Counter(done) == {"quickstart": 6 + 4, "from_zero": 8, "finetune_digits": 5}
    assert "resnet20: passes x on: True" in printed
    assert "plain20: passes x on: False" in printed
