"""The repository itself: its commands, its requirements, its files."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import reslab
from reslab.config import load_yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
RANGES = {r.name: r for r in map(Requirement, PYPROJECT["project"]["dependencies"])}
PINS = {
    pin.name: pin
    for line in (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if (text := line.partition("#")[0].strip())
    for pin in [Requirement(text)]
}


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """What make answers a person; a make that runs these tests has no say in it."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", *arguments], cwd=REPOSITORY, env=env, capture_output=True, text=True
    )


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [REPOSITORY / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.fixture
def recorder(tmp_path: Path) -> list[str]:
    """Arguments for make that use a Python which prints the arguments it is given as JSON."""
    python = tmp_path / "an environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || exec "{sys.executable}" -c '
        "'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"\n"
    )
    python.chmod(0o755)
    return [f"VENV={python.parents[1]}"]


@pytest.mark.parametrize("kind", ["experiments", "recipes"])
def test_every_config_is_strict_yaml(kind: str) -> None:
    files = sorted((REPOSITORY / "configs" / kind).iterdir())
    assert files
    assert [f.name for f in files if f.suffix != ".yaml" or not load_yaml(f)] == []


def test_help_names_every_target_and_every_experiment() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = " ".join(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)).split()
    text = make().stdout
    public = {t for t in targets if not t.startswith("_")} - {"help"}
    assert {t for t in public if not re.search(rf"make {t}\b(?!-)", text)} == set()
    names = {path.stem for path in (REPOSITORY / "configs/experiments").glob("*.yaml")}
    assert {name for name in names if f"  {name} " not in text} == set()


def test_what_the_user_says_arrives_as_it_was_said(recorder: list[str]) -> None:
    said = make(
        "experiment", "NAME=a b", "ONLY=*2 0*", "SET=model=x recipe.lr=*", "BUDGET=.1",
        "SEEDS=2", "DEVICES=2", "MICRO_BATCH=8", "SYNC_BATCHNORM=1", "SLOTS_PER_GPU=3", "DRY=1",
        *recorder,
    )  # fmt: skip
    assert json.loads(said.stdout) == [
        "scripts/experiment.py", "run", "--budget=.1", "--seeds=2", "--only=*2 0*", "--devices=2",
        "--micro-batch=8", "--slots-per-gpu=3", "--sync-batchnorm", "--dry",
        "--set=model=x", "--set=recipe.lr=*", "--", "a b",
    ]  # fmt: skip
    assert json.loads(make("experiment", "NAME=x", "DRY=0", *recorder).stdout) == [
        "scripts/experiment.py", "run", "--", "x",
    ]  # fmt: skip
    assert json.loads(make("models", "MODEL=resnet*", *recorder).stdout)[-1] == "resnet*"
    assert json.loads(make("compare", "NAME=a,b c", *recorder).stdout) == [
        "scripts/experiment.py", "compare", "--", "a", "b", "c",
    ]  # fmt: skip
    assert json.loads(make("sync", *recorder).stdout) == ["scripts/sync.py"]
    assert json.loads(make("sync", "NAME=x", "DRY=1", *recorder).stdout) == [
        "scripts/sync.py", "--dry", "--", "x",
    ]  # fmt: skip


def test_a_misspelt_word_is_refused_and_other_programs_are_handed_theirs(
    recorder: list[str],
) -> None:
    """Else BUGDET=0.02 would begin the whole experiment."""
    answer = make("experiment", "NAME=x", "BUGDET=0.02", *recorder)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is no BUGDET=; expected NAME BUDGET SEEDS" in answer.stderr
    assert make("experiment", "NAME=x", "WANDB_MODE=offline", *recorder).returncode == 0


def test_the_environment_says_nothing(recorder: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """WSL sets NAME to the name of the machine."""
    monkeypatch.setenv("NAME", "DESKTOP-1234")
    monkeypatch.setenv("SEEDS", "9")
    assert make("experiment", *recorder).returncode == 2
    assert "--seeds=9" not in make("experiment", "NAME=x", *recorder).stdout


@pytest.mark.parametrize(
    "target", ["experiment", "status", "table", "figure", "compare", "dashboard"]
)
def test_a_missing_name_is_answered_with_the_names_there_are(target: str) -> None:
    """Before anything is installed."""
    answer = make(target)
    assert answer.returncode == 2
    assert f"make {target} NAME=quickstart" in answer.stderr
    assert "plain_vs_residual" in answer.stderr


def test_a_missing_environment_is_named_and_not_made(tmp_path: Path) -> None:
    answer = make("lint", f"VENV={tmp_path}/nothing here")
    assert answer.returncode == 2
    assert f"{tmp_path}/nothing here/bin/python" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_pins_are_exact_and_within_the_ranges() -> None:
    assert set(PINS) == set(RANGES)
    for name, pin in PINS.items():
        [specifier] = pin.specifier
        assert specifier.operator == "=="
        assert RANGES[name].specifier.contains(specifier.version), name


def test_known_bad_versions_are_outside_the_ranges() -> None:
    """2.6.2 and 2.6.3 carried a credential stealer; 2.6.5 has CVE-2026-58659."""
    allowed = RANGES["lightning"].specifier
    assert not {v for v in ("2.6.2", "2.6.3", "2.6.5") if allowed.contains(v)}
    assert not RANGES["wandb"].specifier.contains("1.0")
    assert {"!=2.6.2", "!=2.6.3"} <= {str(s) for s in allowed}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_what_is_installed_is_within_the_ranges(name: str) -> None:
    assert RANGES[name].specifier.contains(version(name))


def test_every_dependency_is_justified() -> None:
    text = (REPOSITORY / "docs/dependencies.md").read_text(encoding="utf-8")
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    names = [*RANGES, *(Requirement(r).name for extra in extras for r in extra)]
    assert [name for name in names if f"| {name} |" not in text] == []


def test_runs_data_and_the_environment_are_ignored() -> None:
    lines = (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/data/", "/runs/", "/.venv/"} <= set(lines)


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    path = re.compile(r"(?:^|[^.\w])/(?:work|root|tmp|home)/[\w.-]", re.MULTILINE)
    found = [f for f in tracked() if path.search(f.read_text(encoding="utf-8", errors="ignore"))]
    assert found == []


def test_tests_mirror_what_they_are_about() -> None:
    """test_<module>.py stands where its module does, and test_<module>_<topic>.py beside it; tests
    of a whole package, of a folder of configs and of the repository have the name of that."""
    source, tests = REPOSITORY / "src" / "reslab", REPOSITORY / "tests"
    code = {file.relative_to(source).with_suffix("") for file in source.rglob("*.py")}
    modules = {module for module in code if module.name != "__init__"}  # these only hand on names
    packages = {init.with_name(init.parent.name) for init in code - modules if init.parent.name}
    configs = {Path("configs", folder.name) for folder in (REPOSITORY / "configs").iterdir()}
    files = {
        file.relative_to(tests).with_name(file.stem.removeprefix("test_"))
        for file in tests.rglob("test_*.py")
    }
    assert modules - files == set()
    known = modules | packages | configs | {Path("readme"), Path("repository")}
    stray = {
        file
        for file in files - known
        if not any(file.match(f"{about}_*") for about in known if file.parent == about.parent)
    }
    assert stray == set()


def test_licence_and_citation() -> None:
    assert (REPOSITORY / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    citation = load_yaml(REPOSITORY / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == reslab.__version__
    assert f"## [{reslab.__version__}]" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
