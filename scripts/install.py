"""Installs requirements.txt, this package and the development tools into the environment whose
Python runs this: with uv, which works in parallel, else with pip.

    .venv/bin/python scripts/install.py        called by scripts/venv.sh; standard library only
    lowest/bin/python scripts/install.py --lowest     the lowest versions that pyproject.toml allows

uv reads neither pip.conf nor PIP_*, so what they say is handed to it as UV_* variables; the user's
own UV_* win. Where pip has a setting that uv has no word for, or uv fails, pip does it. Everything
that the two print goes to install.log in the environment, and is shown where both fail.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHAT = ["-r", str(ROOT / "requirements.txt"), "-e", f"{ROOT}[dev]"]
LOWEST = ["--resolution", "lowest-direct", "-r", str(ROOT / "pyproject.toml"), "--extra", "dev"]
LOG = Path(sys.prefix) / "install.log"

WORDS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "no-cache-dir": "UV_NO_CACHE",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""pip's settings, and the variables in which uv takes them."""

SEVERAL = {"extra-index-url": " ", "find-links": ",", "constraint": " ", "trusted-host": " "}
"""Settings that are lists, separated by blanks in pip, and how uv separates them."""

SYNONYMS = {
    "UV_DEFAULT_INDEX": ("UV_INDEX_URL",),
    "UV_INDEX": ("UV_EXTRA_INDEX_URL",),
    "ALL_PROXY": ("HTTPS_PROXY", "https_proxy", "all_proxy"),
}
"""Other variables in which the user may have said the same."""

IDLE = {
    "cache-dir", "disable-pip-version-check", "no-color", "no-input", "no-python-version-warning",
    "no-warn-script-location", "prefer-binary", "progress-bar", "quiet", "require-virtualenv",
    "retries", "root-user-action", "use-feature", "verbose",
}  # fmt: skip
"""pip's settings that change nothing of what is installed or from where."""


class NotSaid(Exception):
    """A setting of pip that cannot be handed to uv; its text is the setting."""


def pip_settings(listed: str) -> dict[str, str]:
    """What `pip config list` prints, `section.name='value'` a line: for installing, a section
    `install` wins over `global`, and PIP_* (`:env:`) over both."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            [found[section][name]] = shlex.split(value) or [""]
    return found["global"] | found["install"] | found[":env:"]


def as_uv_says(settings: Mapping[str, str]) -> dict[str, str]:
    """pip's settings as variables for uv; `NotSaid` for one that it has no word for."""
    said = {"UV_SYSTEM_CERTS": "true", "UV_NO_PROGRESS": "true"}
    for name, value in settings.items():
        if name in IDLE:
            continue
        if name not in WORDS:
            raise NotSaid(name)
        parts = value.split() if name in SEVERAL else [value]
        if any(re.search(r"[\s,]", part) for part in parts):
            raise NotSaid(f"{name}={value!r}")
        said[WORDS[name]] = SEVERAL.get(name, " ").join(parts)
    if "extra-index-url" in settings or "find-links" in settings:
        said["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip takes the best of all indexes
    return said


def bytecode(own: Mapping[str, str]) -> dict[str, str]:
    """uv leaves compiling to the first import; where that may not keep it, every process would
    compile anew, for as long as a small run takes. pip compiles in any case."""
    return {"UV_COMPILE_BYTECODE": "true"} if own.get("PYTHONDONTWRITEBYTECODE") else {}


def environment(said: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: what `own` says itself wins, under whichever name."""
    theirs = {
        name: value
        for name, value in said.items()
        if not any(word in own for word in (name, *SYNONYMS.get(name, ())))
    }
    return {**theirs, **own}


def installed_uv() -> str:
    """The user's uv, or one of PyPI in an environment of its own beside the log."""
    if found := shutil.which("uv"):
        return found
    folder = Path(sys.prefix) / "uv"
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [*PIP, "--python", str(folder / "bin" / "python"), "install", "uv"],
    ):
        logged(command)
    return str(folder / "bin" / "uv")


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def logged(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command, its output behind the log's; `CalledProcessError` where it fails."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(command)}\n")
        log.flush()
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True
        )


def with_uv(what: Sequence[str] = WHAT) -> None:
    """`NotSaid`, `OSError` or `CalledProcessError` where pip has to do it."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True)
    said = environment(as_uv_says(pip_settings(listed.stdout)) | bytecode(os.environ), os.environ)
    logged([installed_uv(), "pip", "install", "--python", sys.executable, *what], said)


def with_pip(reason: str) -> None:
    """The slower way, after one line that says why."""
    print(f"pip installs, since {reason}; two to three minutes", flush=True)
    logged([*PIP, "install", *WHAT])


def install() -> None:
    """With uv, else with pip. `OSError` or `CalledProcessError` where both fail."""
    try:
        with_uv()
    except NotSaid as setting:
        with_pip(f"uv has no word for pip's setting {setting}")
    except (OSError, subprocess.CalledProcessError) as error:
        with_pip(f"uv failed ({_first_error() or error})")


def install_lowest() -> None:
    """With uv alone, since pip knows the highest versions only."""
    try:
        with_uv(LOWEST)
    except NotSaid as setting:
        raise OSError(f"uv has no word for pip's setting {setting}") from None


def main(way: Callable[[], None] = install) -> int:
    """Install; 1 where that failed, after all that uv and pip printed."""
    began, before = time.monotonic(), shutil.disk_usage(sys.prefix).free
    LOG.unlink(missing_ok=True)
    size = "some 130 packages, 6 GB on Linux" if sys.platform == "linux" else "some 110 packages"
    print(f"Installing {size} with uv; on a fast network under a minute.", flush=True)
    try:
        way()
    except (OSError, subprocess.CalledProcessError) as error:
        log = LOG.read_text(encoding="utf-8", errors="replace") if LOG.exists() else ""
        print(f"{log}{error}", file=sys.stderr)
        print(
            f"the installation failed; what it printed stands above and in {LOG}", file=sys.stderr
        )
        return 1
    taken = (before - shutil.disk_usage(sys.prefix).free) / 1e9
    print(f"Installed in {time.monotonic() - began:.0f} s, {taken:.1f} GB of disk; log: {LOG}")
    return 0


def _first_error() -> str:
    """The first line of the log that tells of an error."""
    text = LOG.read_text(encoding="utf-8", errors="replace") if LOG.exists() else ""
    lines = (line.strip(" ×╰─▶") for line in text.splitlines())
    return next((line for line in lines if re.match(r"(?i)error|no solution|failed", line)), "")


if __name__ == "__main__":
    sys.exit(main(install_lowest if sys.argv[1:] == ["--lowest"] else install))
