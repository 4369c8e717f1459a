"""The folder in which a hostile case happens, and the doors to the code: the scripts' `main`s."""

import importlib.util
import json
import pkgutil
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.small_runs import stopped_at

import reslab
from reslab import disk, store
from reslab.config.strict_yaml import load_yaml
from reslab.experiments.file import parse_experiment
from reslab.experiments.plan import expand
from reslab.store.plan import Options
from reslab.training.start import start

RESOLVE = importlib.import_module("reslab.config.resolve")
"""The module; the package has a function of that name."""

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

Main = Callable[..., Callable[[], int]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a case: configs, runs, data and nothing else. What lies at ../.. is of
    this test, too: other tests' folders would be read as photographs."""
    root = tmp_path / "outer" / "inner" / "place"
    root.mkdir(parents=True)
    for folder in ("runs", "data"):
        (root / folder).mkdir()
        monkeypatch.setenv(f"RESLAB_{folder.upper()}", str(root / folder))
    shutil.copytree(RESOLVE.CONFIGS, root / "configs")
    monkeypatch.setattr(RESOLVE, "CONFIGS", root / "configs")
    monkeypatch.chdir(root)
    return root


ANSWERS = {
    "reslab.models.count": {"params": 1, "multiply_adds": 1},
    "reslab.training.rehearsal": None,
}
"""Of the processes of ours that are asked about nets: these cost so much, these weights fit."""


@pytest.fixture(autouse=True)
def no_process_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets of other libraries are counted, and weights tried, by processes that are not tested."""
    run = subprocess.run

    def answered(command: Any, **how: Any) -> Any:
        asked = next((module for module in ANSWERS if module in command), None)
        if asked is None:
            return run(command, **how)
        answers = [ANSWERS[asked]] * len(json.loads(how["input"]))
        return subprocess.CompletedProcess(command, 0, json.dumps(answers), "")

    monkeypatch.setattr(subprocess, "run", answered)


@pytest.fixture(scope="session", autouse=True)
def imports() -> None:
    """All that the code may import later, which would count as a case's."""
    for module in pkgutil.walk_packages(reslab.__path__, "reslab."):
        importlib.import_module(module.name)
    for module_name in (
        "timm",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg",
    ):
        importlib.import_module(module_name)


@pytest.fixture(scope="session")
def modules() -> dict[str, ModuleType]:
    """The scripts by their names, imported once."""
    found = {}
    for file in sorted(SCRIPTS.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"scripts_{file.stem}", file)
        assert spec and spec.loader
        found[file.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[file.stem])
    return found


@pytest.fixture
def script(modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[Main]:
    """`script("experiment", "status", "x")`: a call of that script's `main` with these words."""

    def door(name: str, *words: str | Path) -> Callable[[], int]:
        def main() -> int:
            monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, words)])
            return int(modules[name].main() or 0)

        return main

    yield door


TINY = """\
base:
  model: resnet8_w8
  data: digits
  recipe: {name: digits, steps: 4, batch_size: 8, schedule.milestones: [2, 3]}
seeds: 2
variants: {a: {}}
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment of two runs of digits, the first done, the second stopped half
    way; and its file, tiny.yaml."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESLAB_RUNS", str(root))
        patched.setenv("WANDB_MODE", "disabled")
        (root / "tiny").mkdir()
        file = root / "tiny" / "tiny.yaml"
        file.write_text(TINY)
        plan = expand(
            "tiny", parse_experiment(load_yaml(file), "tiny.yaml"), Options(), "tiny.yaml"
        )
        store.write_plan(plan)
        one, other = plan.folders()
        start(one / store.CONFIG)
        with stopped_at(2):
            start(other / store.CONFIG)
    views = {"views": "ten_crop", "examples": 10, "wrong": 1, "top1_error": 10.0, "assumed": ["a"]}
    disk.write_json(one / store.evaluation("ten_crop"), views)
    store.write_error(other, "killed")
    return root / "tiny"
