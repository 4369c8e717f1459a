"""Nets that come with the package: files that are what their table says, found by their names."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest
from tests.conftest import REPOSITORY

from reslab.config import shipped
from reslab.config.origins import bring, places, sha256_of, there
from reslab.config.public_weights import net_of, published
from reslab.config.resolve import resolve
from reslab.config.start import Start
from reslab.config.zoo import describe
from reslab.errors import UserError

NAMES = tuple(shipped.shipped())
DIGITS = "reslab:resnet20_w8.digits"


@pytest.mark.parametrize("name", NAMES)
def test_each_is_there_with_its_digest_its_size_and_its_card(name: str) -> None:
    known, path = published(name), shipped.shipped_file(name)
    assert path is not None and places(Start(name=name)) == [path]
    assert (sha256_of(path), path.stat().st_size) == (known.digest, known.size)
    assert known.size and known.size <= 1_200_000
    assert path.with_suffix(".md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    assert describe(net_of(name))


def test_nothing_else_lies_there_and_a_wheel_has_all() -> None:
    files = {shipped.TABLE, *(shipped.file_name(name) for name in NAMES)}
    cards = {re.sub(r"safetensors$", "md", file) for file in files} - {shipped.TABLE}
    assert {file.name for file in shipped.FOLDER.iterdir()} == files | cards
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = pyproject["tool"]["setuptools"]["package-data"]["reslab"]
    for file in files | cards:
        assert any(fnmatch(f"shipped/{file}", pattern) for pattern in patterns), file


def test_they_need_no_torch_and_no_network() -> None:
    code = (
        "import sys; from reslab.config.origins import bring;"
        "from reslab.config.start import Start;"
        f"assert bring(Start(name={DIGITS!r})).is_file(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=f"reslab:resnet20.digits.*did you mean {DIGITS}"):
        published("reslab:resnet20.digits")


def test_one_that_was_deleted_is_told_and_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start(name=DIGITS)
    monkeypatch.setattr(shipped, "FOLDER", shipped.FOLDER / "elsewhere")
    assert there(start) is None
    with pytest.raises(UserError, match="comes with reslab; install it again"):
        bring(start)


@pytest.mark.parametrize(("classes", "head"), [([], "kept"), ([0, 1, 2], "new")])
def test_a_run_on_the_same_classes_keeps_the_head(classes: list[int], head: str) -> None:
    data = {"name": "digits", "classes": classes}
    config = resolve(
        {"data": data, "model": "resnet20_w8", "recipe": "digits", "start": DIGITS}, ""
    )
    assert config.start is not None
    assert (config.start.name, config.start.head) == (DIGITS, head)
