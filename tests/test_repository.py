"""The repository itself: its commands, its requirements, its files."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.configs.shipped import EXPERIMENTS, RECIPES

import reslab
from reslab.config.strict_yaml import load_yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
RANGES = {r.name: r for r in map(Requirement, PYPROJECT["project"]["dependencies"])}
PINS = {
    pin.name: pin
    for line in (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if (text := line.partition("#")[0].strip())
    for pin in [Requirement(text)]
}


SHIPPED = {"experiments": EXPERIMENTS, "recipes": RECIPES}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [REPOSITORY / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("kind", ["experiments", "recipes"])
def test_every_config_is_strict_yaml(kind: str) -> None:
    files = sorted((REPOSITORY / "configs" / kind).glob("*.yaml"))
    assert {file.stem for file in files} >= set(SHIPPED[kind])
    assert [file.name for file in files if not load_yaml(file)] == []


def test_only_validation_looks_at_files_of_configs_that_do_not_ship() -> None:
    """A user's files turn no test red that asks for more than a file that can be read."""
    looking = re.compile(
        r"""config_names\(["']|(?:experiments|recipes)["')]+\.(?:r?glob|iterdir)"""
    )
    tests = REPOSITORY / "tests"
    found = {file for file in tests.rglob("*.py") if looking.search(file.read_text("utf-8"))}
    assert {file.name for file in found} == {"test_experiments.py", "test_recipes.py"}


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
    ours = [f for f in tracked() if f.stem in SHIPPED.get(f.parent.name, [f.stem])]
    found = [f for f in ours if path.search(f.read_text(encoding="utf-8", errors="ignore"))]
    assert found == []


def test_tests_mirror_what_they_are_about() -> None:
    """test_<module>.py stands where its module does, and test_<module>_<topic>.py beside it; tests
    of a whole package, of a folder of configs and of the repository have the name of that. hostile/
    is about no module: what comes from outside goes through all of them."""
    source, tests = REPOSITORY / "src" / "reslab", REPOSITORY / "tests"
    code = {file.relative_to(source).with_suffix("") for file in source.rglob("*.py")}
    modules = {module for module in code if module.name != "__init__"}  # these only hand on names
    packages = {init.with_name(init.parent.name) for init in code - modules if init.parent.name}
    configs = {Path("configs", folder.name) for folder in (REPOSITORY / "configs").iterdir()}
    files = {
        file.relative_to(tests).with_name(file.stem.removeprefix("test_"))
        for file in tests.rglob("test_*.py")
        if file.parent.name != "hostile"
    }
    assert modules - files == set()
    measured = {Path("benchmarks", f.stem) for f in (REPOSITORY / "benchmarks").glob("*.py")}
    known = modules | packages | configs | measured | {Path("readme"), Path("repository")}
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
