"""What the README shows works as it is written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.configs.shipped import EXPERIMENTS

from reslab.config.strict_yaml import load_yaml
from reslab.experiments.file import parse_experiment
from reslab.experiments.plan import expand
from reslab.store.plan import Options


@pytest.fixture(scope="module")
def blocks(repository: Path) -> list[tuple[str, str]]:
    """The README's code blocks: language and text."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def of(language: str, blocks: list[tuple[str, str]]) -> list[str]:
    return [text for kind, text in blocks if kind == language]


def test_the_experiment_of_ones_own_is_planned(
    blocks: list[tuple[str, str]], tmp_path: Path
) -> None:
    file = tmp_path / "my_widths.yaml"
    file.write_text(of("yaml", blocks)[0])
    experiment = parse_experiment(load_yaml(file), "README.md")
    plan = expand("my_widths", experiment, Options(), "README.md")
    assert [variant.label for variant in plan.variants] == ["as it is", "deeper", "wider"]
    assert len(list(plan.runs())) == 9


@pytest.mark.process
def test_a_new_shortcut_is_a_function_a_row_and_a_line(
    blocks: list[tuple[str, str]], repository: Path, tmp_path: Path
) -> None:
    """Follows the README in a copy of the sources: the net computes what its equation says."""
    copy = tmp_path / "src"
    shutil.copytree(repository / "src", copy)
    shutil.copytree(repository / "configs", tmp_path / "configs")
    function, row = of("python", blocks)[:2]
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
    line = of("yaml", blocks)[1].strip()
    program = f"""
import torch, yaml
from reslab.config.resolve import resolve
from reslab.config.strict_yaml import merge
from reslab.models.nets import build
(override,) = yaml.safe_load({line!r}).values()
base = {{"model": "resnet8_w8", "data": "digits", "recipe": "digits"}}
net = build(resolve(merge(base, override), "README.md").model).eval()
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


def test_build_and_load_are_what_the_readme_imports(blocks: list[tuple[str, str]]) -> None:
    example = of("python", blocks)[2]
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
