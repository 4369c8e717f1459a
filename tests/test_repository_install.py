"""scripts/install.py: what pip is told reaches uv, and pip takes over where uv cannot."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def install(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module that writes its log elsewhere."""
    spec = importlib.util.spec_from_file_location("install", repository / "scripts" / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOG", tmp_path / "install.log")
    return module


def test_of_pips_sections_the_command_wins_over_global_and_the_environment_over_both(
    install: ModuleType,
) -> None:
    listed = """\
:env:.cert='/mine.pem'
download.index-url='https://download.example/simple'
global.cert='/global.pem'
global.index-url='https://global.example/simple'
global.timeout='5'
install.index-url='https://install.example/simple'
"""
    assert install.pip_settings(listed) == {
        "cert": "/mine.pem", "index-url": "https://install.example/simple", "timeout": "5",
    }  # fmt: skip


def test_indexes_links_certificates_and_proxy_are_handed_to_uv(install: ModuleType) -> None:
    settings = {
        "index-url": "https://a.example/simple",
        "extra-index-url": "https://b.example/simple\nhttps://c.example/simple",
        "find-links": "/wheels https://d.example/wheels",
        "cert": "/mine.pem",
        "proxy": "http://proxy.example:3128",
        "progress-bar": "off",
    }
    said = install.as_uv_says(settings)
    assert said["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert said["UV_INDEX"] == "https://b.example/simple https://c.example/simple"
    assert said["UV_FIND_LINKS"] == "/wheels,https://d.example/wheels"
    assert said["SSL_CERT_FILE"] == "/mine.pem"
    assert said["ALL_PROXY"] == "http://proxy.example:3128"
    assert said["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert said["UV_SYSTEM_CERTS"] == "true"


@pytest.mark.parametrize(
    "settings", [{"client-cert": "/mine.pem"}, {"target": "/x"}, {"cert": "/my certificates/a.pem"}]
)
def test_what_uv_has_no_word_for_is_not_dropped(
    install: ModuleType, settings: dict[str, str]
) -> None:
    with pytest.raises(install.NotSaid, match=next(iter(settings))):
        install.as_uv_says(settings)


def test_what_the_user_says_to_uv_wins_under_any_of_its_names(install: ModuleType) -> None:
    said = {"UV_DEFAULT_INDEX": "of pip", "UV_INDEX": "of pip", "UV_FIND_LINKS": "of pip"}
    own = {"UV_INDEX_URL": "mine", "UV_FIND_LINKS": "mine", "PATH": "/bin"}
    assert install.environment(said, own) == {**own, "UV_INDEX": "of pip"}


def test_pip_installs_after_one_line_where_uv_fails(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[Sequence[str]] = []

    def uv_fails() -> None:
        install.logged([sys.executable, "-c", "raise SystemExit('error: no route to the index')"])

    real = install.logged

    def logged(command: Sequence[str]) -> None:
        commands.append(command)
        if "install" not in command:
            real(command)

    monkeypatch.setattr(install, "with_uv", uv_fails)
    monkeypatch.setattr(install, "logged", logged)
    assert install.main() == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3
    assert out[1] == (
        "pip installs, since uv failed (error: no route to the index); two to three minutes"
    )
    assert list(commands[-1]) == [*install.PIP, "install", *install.WHAT]


def test_where_both_fail_all_that_they_printed_is_shown(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        with install.LOG.open("a") as log:
            log.write("ERROR: No matching distribution found\n")
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(install, "with_uv", fail)
    monkeypatch.setattr(install, "with_pip", fail)
    assert install.main() == 1
    assert capsys.readouterr().err.count("ERROR: No matching distribution found") == 2


def test_bytecode_is_compiled_where_an_import_may_not_keep_it(install: ModuleType) -> None:
    """Else each process of the first experiment would compile torch anew."""
    assert install.bytecode({}) == {}
    compiled = install.bytecode({"PYTHONDONTWRITEBYTECODE": "1"})
    assert compiled == {"UV_COMPILE_BYTECODE": "true"}
    own = {"UV_COMPILE_BYTECODE": "false"}
    assert install.environment(compiled, own) == own


def test_the_lowest_versions_are_uvs_business_alone(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip takes the highest that it may, and what it installed would test nothing."""

    def not_said(what: Sequence[str]) -> None:
        assert what[:2] == ["--resolution", "lowest-direct"]
        raise install.NotSaid("timid")

    monkeypatch.setattr(install, "with_uv", not_said)
    monkeypatch.setattr(install, "with_pip", lambda reason: pytest.fail("pip"))
    assert install.main(install.install_lowest) == 1
    assert "uv has no word for pip's setting timid" in capsys.readouterr().err
