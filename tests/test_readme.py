"""What the README and the pages behind it show works as it is written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.configs.shipped import EXPERIMENTS
from tests.conftest import REPOSITORY

from reslab.config.strict_yaml import load_yaml
from reslab.data.sources import open_source
from reslab.experiments.file import parse_experiment
from reslab.experiments.plan import expand
from reslab.store.plan import Options


def blocks(page: str, language: str) -> list[str]:
    """A page's code blocks in a language."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    written = re.sub(r"<!-- \w+:begin.*?:end -->", "", text, flags=re.DOTALL)
    assert len(written.splitlines()) <= 100
    for page in REPOSITORY.glob("README*.md"):
        links = re.findall(r"\]\((?!https:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (REPOSITORY / link).exists()] == [], page.name


@pytest.mark.parametrize("page", ["README.md", "docs/your_own_idea.md"])
def test_the_experiment_of_ones_own_is_planned(page: str, tmp_path: Path) -> None:
    file = tmp_path / "my_widths.yaml"
    file.write_text(blocks(page, "yaml")[0])
    experiment = parse_experiment(load_yaml(file), page)
    plan = expand("my_widths", experiment, Options(), page)
    assert [variant.label for variant in plan.variants] == ["as it is", "deeper", "wider"]
    assert len(list(plan.runs())) == 9


@pytest.mark.process
def test_the_net_of_ones_own_learns_the_arrays_of_ones_own(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's two snippets, and `make train`'s words; digits in the place of one's images."""
    net, arrays = blocks("README.md", "python")
    (tmp_path / "my_nets.py").write_text(net)
    monkeypatch.chdir(tmp_path)
    digits = open_source("digits").train
    of_oneself = {"images": digits.images[:300, 0].numpy(), "labels": digits.targets[:300].numpy()}
    exec(arrays, of_oneself)
    (tmp_path / "configs").symlink_to(repository / "configs")
    words = ["--model=python:my_nets.py:Net", "--data=my.npz", "--recipe=he2015_cifar"]
    words += ["--epochs=1", "--set", "recipe.batch_size=20", "--seeds=1"]
    script = repository / "scripts" / "experiment.py"
    done = subprocess.run(
        [sys.executable, str(script), "train", *words],
        env={**os.environ, "PYTHONPATH": str(repository / "src"), "WANDB_MODE": "disabled"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " 1/1 " in done.stdout


@pytest.mark.process
def test_a_new_shortcut_is_a_function_a_row_and_a_line(repository: Path, tmp_path: Path) -> None:
    """Follows the page in a copy of the sources: the net computes what its equation says."""
    copy = tmp_path / "src"
    shutil.copytree(repository / "src", copy)
    shutil.copytree(repository / "configs", tmp_path / "configs")
    function, row = blocks("docs/your_own_idea.md", "python")
    shortcuts = copy / "reslab" / "models" / "shortcuts.py"
    makers = "MAKERS: dict[str, Callable[[ResNet, Change], nn.Module]] = {\n"
    text = shortcuts.read_text(encoding="utf-8")
    assert makers in text
    text = text.replace(makers, f'{function}\n\n{makers}    "average": average,\n')
    shortcuts.write_text(text, encoding="utf-8")
    words = copy / "reslab" / "config" / "words.py"
    text, table = words.read_text(encoding="utf-8"), "SHORTCUTS: dict[str, Shortcut] = {\n"
    assert table in text
    words.write_text(text.replace(table, table + row), encoding="utf-8")
    line = blocks("docs/your_own_idea.md", "yaml")[1].strip()
    program = f"""
import torch, yaml
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.models.nets import build
(override,) = yaml.safe_load({line!r}).values()
base = {{"model": "resnet8_w8", "data": "digits", "recipe": "digits"}}
net = build(resolve(merge(base, override), "a page").model).eval()
x = torch.rand(2, 8, 8, 8)
join = net.layer1[0].downsample
assert torch.equal(join(x, 3 * x), 2 * x)
assert net(torch.rand(2, 1, 8, 8)).shape == (2, 10)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(copy)},
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_row_of_what_survives_what_names_a_test_that_is_there() -> None:
    text = (REPOSITORY / "docs" / "clusters.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \|$", text[text.index("## What survives what") :], re.MULTILINE)
    told = [row.split("|")[3].strip() for row in rows if not row.startswith("| what happens")]
    assert len(told) > 20
    assert all(re.fullmatch(r"`test_\w+`(, `test_\w+`)*", cell) for cell in told)
    files = (file.read_text(encoding="utf-8") for file in (REPOSITORY / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", "\n".join(files), re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", text)) - there == set()


def test_build_and_load_are_what_the_page_imports() -> None:
    [example] = blocks("docs/trained_nets.md", "python")[:1]
    assert "from reslab import build, load" in example
    import reslab

    assert sum(p.numel() for p in reslab.build("resnet56").parameters()) == 853_018
    assert callable(reslab.load)  # used on a run's folder in tests/inference/test_trained.py


def test_every_experiment_that_the_readme_names_is_shipped_and_the_docs_list_all(
    repository: Path,
) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    docs = (repository / "docs" / "experiments.md").read_text(encoding="utf-8")
    named = set(re.findall(r"NAME=(\w+)", readme)) - {"my_widths"}
    assert {"quickstart", "plain_vs_residual"} <= named <= set(EXPERIMENTS)
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| [a-z]", docs, flags=re.MULTILINE)
    assert sorted(listed) == sorted(EXPERIMENTS)
