"""make, the front door: a word is heard or refused, and arrives as it was said."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.configs.shipped import EXPERIMENTS

REPOSITORY = Path(__file__).resolve().parents[1]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

OF_PLANS = {
    "BUDGET": "budget", "EPOCHS": "epochs", "SEEDS": "seeds", "ONLY": "only", "SET": "settings",
    "PLAN": "plan",
}  # fmt: skip
"""Words of make that name a plan, and the options of the scripts that they become."""
OF_RUNS = OF_PLANS | {
    "DEVICES": "devices", "MICRO_BATCH": "micro-batch", "SLOTS_PER_GPU": "slots-per-gpu",
    "CARD": "card", "ON": "on",
}  # fmt: skip
"""Those of whoever trains."""
SWITCHES = ["SYNC_BATCHNORM", "COMPILE", "DIAGNOSTICS", "DRY", "FOLLOW"]
READS = {
    "experiment": ["NAME", *OF_RUNS, *SWITCHES],
    "train": ["MODEL", "DATA", "RECIPE", *OF_RUNS, *SWITCHES],
    "finetune": ["FOLDER", "MODEL", "WEIGHTS", "TRAINS", "RECIPE", *OF_RUNS, *SWITCHES],
    "sync": ["NAME", *OF_PLANS, "DRY"],
    "serve": ["NAME", *OF_PLANS, "PORT"],
    "models": ["MODEL"],
    "soak": ["SECONDS", "ARGS"],
    "gpu-check": ["SECONDS", "WHEELS", "ARGS"],
    **{target: ["NAME", *OF_PLANS] for target in ("status", "stop", "table", "paper", "light")},
    "figure": ["NAME", *OF_PLANS, "FIGURE"],
    **{target: ["NAME", *OF_PLANS] for target in ("page", "compare", "results", "dashboard")},
    **{target: ["ARGS"] for target in ("bench", "check")},
    **{target: ["ARGS"] for target in ("test", "test-fast", "test-slow", "test-lowest")},
    **{target: [] for target in ("setup", "lint", "format", "clean", "help", "help-all")},
}
"""What each target reads."""
WORDS = list(dict.fromkeys(word for words in READS.values() for word in words))

Make = Callable[..., "subprocess.CompletedProcess[str]"]
Heard = Callable[..., dict[str, Any]]
"""What a Python that make starts is given: argv and environ."""


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path) -> Path:
    """A checkout as far as make sees it, without an environment: no call can hurt the real one."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "configs", "pyproject.toml", "requirements.txt", "src", "tests"):
        (folder / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    return folder


@pytest.fixture
def make(checkout: Path) -> Make:
    """What make answers a person; a make that runs these tests has no say in it."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        answer = subprocess.run(
            ["make", *arguments], cwd=checkout, env=env, capture_output=True, text=True
        )
        assert not (checkout / "pwned").exists()
        return answer

    return call


def recording(python: Path) -> Path:
    """A Python that has all requirements and prints what it is given as JSON."""
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || exec "{sys.executable}" -Ic "import json, os, sys; '
        "print(json.dumps({'argv': sys.argv[1:], 'environ': dict(os.environ)}))\" \"$@\"\n"
    )
    python.chmod(0o755)
    return python


@pytest.fixture
def recorder(tmp_path: Path) -> str:
    """A word for make that has it use such a Python."""
    return f"VENV={recording(tmp_path / 'an environment' / 'bin' / 'python').parents[1]}"


@pytest.fixture
def heard(make: Make) -> Heard:
    """What make hands to Python."""

    def call(*arguments: str) -> dict[str, Any]:
        answer = make(*arguments)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return call


def test_help_names_every_target_and_every_experiment(make: Make) -> None:
    text = make("help-all").stdout
    assert {t for t in READS if not re.search(rf"make {t}\b(?!-)", text)} == {"help", "help-all"}
    assert {name for name in EXPERIMENTS if f"  {name} " not in text} == set()


def test_help_is_one_screen_with_the_rest_behind_it(make: Make) -> None:
    text = make().stdout
    lines = text.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert "make help-all" in text and text == make("help").stdout
    assert set(re.findall(r"^  make ([\w-]+)", text, re.M)) <= set(READS)


def test_every_target_says_which_words_it_reads() -> None:
    targets = " ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)).split()
    assert {t for t in targets if not t.startswith("_")} == set(READS)


# ---- what is said arrives -----------------------------------------------------------------------


def test_what_the_user_says_arrives_as_it_was_said(heard: Heard, recorder: str) -> None:
    def argv(*arguments: str) -> list[str]:
        return heard(*arguments, recorder)["argv"]

    assert argv(
        "experiment", "NAME=a b", "ONLY=*2 0*", "SET=model=x recipe.lr=*", "BUDGET=.1",
        "SEEDS=2", "DEVICES=2", "MICRO_BATCH=8", "SYNC_BATCHNORM=1", "SLOTS_PER_GPU=3",
        "COMPILE=1", "DIAGNOSTICS=1", "DRY=1", "CARD=h100", "ON=slurm", "FOLLOW=1",
    ) == [
        "scripts/experiment.py", "run", "--budget=.1", "--seeds=2", "--only=*2 0*",
        "--settings=model=x recipe.lr=*", "--devices=2", "--micro-batch=8", "--slots-per-gpu=3",
        "--card=h100", "--on=slurm", "--sync-batchnorm", "--compile", "--diagnostics", "--dry",
        "--follow", "--", "a b",
    ]  # fmt: skip
    assert argv("experiment", "NAME=x", "COMPILE=0")[2:] == ["--no-compile", "--", "x"]
    assert argv("experiment", "NAME=x", "DRY=0") == ["scripts/experiment.py", "run", "--", "x"]
    assert argv("models", "MODEL=resnet*")[-1] == "resnet*"
    assert argv("compare", "NAME=a,b c")[1:] == ["compare", "--", "a", "b", "c"]
    assert argv("compare", "NAME=a, b@seeds=1", "SET=x=1 y=2", "PLAN=p")[1:] == [
        "compare", "--settings=x=1 y=2", "--plan=p", "--", "a", "b@seeds=1",
    ]  # fmt: skip
    assert argv("page", "NAME=a,b c", "SEEDS=2")[1:] == ["page", "--seeds=2", "--", "a", "b", "c"]
    assert argv("serve", "NAME=a", "PORT=80")[1:] == ["serve", "--port=80", "--", "a"]
    assert argv("status") == ["scripts/experiment.py", "status"]
    assert argv("table", "NAME=x", "BUDGET=.1", "ONLY=*2 0*")[1:] == [
        "table", "--budget=.1", "--only=*2 0*", "--", "x",
    ]  # fmt: skip
    assert argv("dashboard", "NAME=x", "PLAN=p") == [
        "scripts/dashboard.py", "--plan=p", "--", "x",
    ]  # fmt: skip
    assert argv("sync") == ["scripts/sync.py"]
    assert argv("sync", "NAME=x", "SEEDS=1", "DRY=1")[1:] == ["--seeds=1", "--dry", "--", "x"]
    assert argv("sync", "NAME=x", "DRY=1") == ["scripts/sync.py", "--dry", "--", "x"]
    assert argv("train", "MODEL=resnet18", "DATA=/my/photos", "RECIPE=imagenette")[1:] == [
        "train", "--model=resnet18", "--data=/my/photos", "--recipe=imagenette",
    ]  # fmt: skip


def test_fine_tuning_needs_a_folder_and_a_net_alone(heard: Heard, recorder: str) -> None:
    words = ["finetune", "--folder=~/my photos", "--model=resnet50"]
    given = ["finetune", "FOLDER=~/my photos", "MODEL=resnet50"]
    assert heard(*given, recorder)["argv"][1:] == words
    more = ["WEIGHTS=a b.pth", "TRAINS=head", "RECIPE=mine", "EPOCHS=3"]
    said = ["--weights=a b.pth", "--trains=head", "--recipe=mine", "--epochs=3"]
    assert heard(*given, *more, recorder)["argv"][1:] == [*words, *said]


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        (["finetune"], "FOLDER=… MODEL=…"),
        (["finetune", "FOLDER=x"], "MODEL=…"),
        (["finetune", "MODEL=resnet50"], "FOLDER=…"),
        (["train", "MODEL=resnet20", "DATA=mnist"], "RECIPE=…"),
    ],
)
def test_a_target_says_what_it_needs_and_is_not_told(
    make: Make, given: list[str], needs: str
) -> None:
    answer = make(*given)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"make {given[0]} needs {needs}, for example:\n")
    assert "\n  make " in answer.stderr


HOSTILE = [
    "$(shell touch pwned)", "${shell touch pwned}", "$$(shell touch pwned)",
    "$(eval x != touch pwned)", "$(touch pwned)", "`touch pwned`", "$$(touch pwned)",
    "; touch pwned ;", "&& touch pwned", "| touch pwned", "'; touch pwned; '", '"; touch pwned; "',
    "a\ntouch pwned\n", "a\\\ntouch pwned", "$\ntouch pwned", ")\ntouch pwned", "a$bc", "a$$bc",
    "$", "$$$", "$(", "${HOME}", "$(HOME)", "$@", "it's", '"', "''", "a  b ", "%", "50%", "#",
    "a # b", "*", "[a-z]?", "~", "~/x", "a~/b", "^", "\\", "a\\", "\\$", "\\n", "=x", ":=x",
    "a,b)", "(", "!", "-x", "--", "naïve…",
]  # fmt: skip
"""What make, the shell, or both, would read as theirs."""


def hear_everything(heard: Heard, value: str, folder: Path) -> None:
    """Assert that every word arrives with this value, in five calls of make."""
    python = recording(folder / value.replace("/", "-").replace("\n", "-") / "bin" / "python")
    venv = f"VENV={python.parents[1]}"
    options = [f"--{option}={value}" for option in OF_RUNS.values()]
    switches = ["--" + word.lower().replace("_", "-") for word in SWITCHES]
    given = [f"{word}={value}" for word in [*READS["experiment"], "RESLAB_X", "CUDA_X"]]
    said = heard("experiment", *given, venv)
    assert said["argv"] == ["scripts/experiment.py", "run", *options, *switches, "--", value]
    assert [said["environ"][word] for word in ("RESLAB_X", "CUDA_X")] == [value, value]
    assert said["environ"].get("MAKEFLAGS", "") == ""
    said = heard("train", *(f"{word}={value}" for word in READS["train"]), venv)
    net = [f"--{word}={value}" for word in ("model", "data", "recipe")]
    assert said["argv"] == ["scripts/experiment.py", "train", *net, *options, *switches]
    said = heard("finetune", *(f"{word}={value}" for word in READS["finetune"]), venv)
    net = [f"--{word.lower()}={value}" for word in READS["finetune"][:5]]
    assert said["argv"] == ["scripts/experiment.py", "finetune", *net, *options, *switches]
    said = heard("test", f"ARGS={value}", f"PYTHON={python}")
    assert said["argv"] == ["-m", "reslab.make", "-m", "pytest", "-m", "not slow"]
    assert said["environ"]["ARGS"] == value
    said = heard("table", f"NAME={value}", f"PYTHONPATH={value}", venv)
    assert said["argv"] == ["scripts/experiment.py", "table", "--", value]
    assert said["environ"]["PYTHONPATH"].endswith(f"/checkout/src:{value}")


@pytest.mark.process
@pytest.mark.parametrize("value", HOSTILE)
def test_every_word_arrives_byte_for_byte_and_is_not_run(
    heard: Heard, value: str, tmp_path: Path
) -> None:
    """But for blanks before a value, which make takes away before it reads its file."""
    hear_everything(heard, value, tmp_path / "environments")


def test_words_arrive_byte_for_byte_and_are_not_run(heard: Heard, tmp_path: Path) -> None:
    """The worst of the above in one value."""
    value = "$(shell touch pwned)`touch pwned`\ntouch pwned\n'; touch pwned; '\" ; $a$$b # % * \\"
    hear_everything(heard, value, tmp_path / "environments")


@pytest.mark.parametrize("word", ["VENV", "PYTHON"])
def test_a_python_that_is_none_is_named_and_not_run(make: Make, word: str) -> None:
    value = "x$(shell touch pwned)`touch pwned`; touch pwned; \"; touch pwned; '; touch pwned"
    answer = make("models", f"{word}={value}")
    assert answer.returncode == 2
    assert value in answer.stderr


def test_the_environment_is_not_expanded_either(
    heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "$(shell touch pwned)"
    monkeypatch.setenv("VENV", str(recording(tmp_path / value / "bin" / "python").parents[1]))
    monkeypatch.setenv("PYTHONPATH", value)
    monkeypatch.setenv("HOME", value)
    assert heard("models")["environ"]["PYTHONPATH"].endswith(f"/checkout/src:{value}")


def test_a_tilde_is_the_home_where_it_stands_first(
    heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording(tmp_path / "my envs" / "a~" / "bin" / "python")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert heard("models", "VENV=~/my envs/a~")
    monkeypatch.setenv("HOME", "nowhere")
    assert heard("models", f"VENV={tmp_path}/my envs/a~")


@pytest.mark.process
def test_args_are_divided_by_quotes_and_added_to_the_command(make: Make) -> None:
    """pytest collects what was asked for, of this file."""
    named = "tests/test_repository_make.py --collect-only -q -p no:cacheprovider -p no:randomly"
    args = f"{named} -k 'misspelt or tilde_is_the' --deselect '`touch pwned` $(touch pwned)'"
    answer = make("test", f"ARGS={args}", f"VENV={sys.prefix}")
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert "test_a_tilde_is_the_home" in answer.stdout
    assert "test_help" not in answer.stdout
    assert (
        "ARGS=-k 'a: no closing quotation"
        in make("test", "ARGS=-k 'a", f"VENV={sys.prefix}").stderr
    )


# ---- what nobody hears is refused ---------------------------------------------------------------


@pytest.mark.parametrize("target", READS)
def test_a_word_that_a_target_does_not_read_is_refused(
    make: Make, target: str, recorder: str
) -> None:
    """Every one of them, before anything is done."""
    unread = [word for word in WORDS if word not in READS[target]]
    answer = make(target, *(f"{word}=1" for word in unread), recorder)
    assert (answer.returncode, answer.stdout) == (2, "")
    told = answer.stderr.partition(f"make {target} does not read ")[2].partition("; ")[0]
    assert sorted(told.split()) == sorted(f"{word}=" for word in unread)
    one = make(target, f"{unread[0]}=1", recorder).stderr
    assert f"make {target} does not read {unread[0]}=; it reads " in one


def test_a_word_that_one_of_several_targets_reads_is_heard(make: Make, recorder: str) -> None:
    assert make("experiment", "table", "NAME=x", "SEEDS=1", recorder).returncode == 0
    assert (
        "does not read DEVICES=" in make("status", "table", "NAME=x", "DEVICES=1", recorder).stderr
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [("BUGDET", "BUDGET"), ("SEED", "SEEDS"), ("name", "NAME"), ("MICROBATCH", "MICRO_BATCH"),
     ("MODELS", "MODEL"), ("python", "PYTHON")],
)  # fmt: skip
def test_a_misspelt_word_is_refused_with_the_one_that_was_meant(
    make: Make, said: str, meant: str, recorder: str
) -> None:
    """Else BUGDET=0.02 would begin the whole experiment."""
    answer = make("experiment", "NAME=x", f"{said}=0.02", recorder)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"there is no {said}=; did you mean {meant}? There are NAME BUDGET" in answer.stderr


def test_a_word_like_no_other_is_refused(make: Make, recorder: str) -> None:
    answer = make("experiment", "NAME=x", "XYZZY=1", recorder)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is no XYZZY=. There are NAME BUDGET" in answer.stderr


def test_other_programs_are_handed_their_words(heard: Heard, recorder: str) -> None:
    assert (
        heard("experiment", "NAME=x", "WANDB_MODE=a b", recorder)["environ"]["WANDB_MODE"] == "a b"
    )


def test_the_environment_says_nothing(
    make: Make, recorder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSL sets NAME to the name of the machine."""
    monkeypatch.setenv("NAME", "DESKTOP-1234")
    monkeypatch.setenv("SEEDS", "9")
    assert make("experiment", recorder).returncode == 2
    assert "--seeds=9" not in make("experiment", "NAME=x", recorder).stdout
    assert make("table", "NAME=x", recorder).returncode == 0


@pytest.mark.parametrize("target", ["experiment", "table", "figure", "compare", "dashboard"])
def test_a_missing_name_is_answered_with_the_names_there_are(make: Make, target: str) -> None:
    """Before anything is installed."""
    answer = make(target)
    assert answer.returncode == 2
    assert f"make {target} NAME=quickstart" in answer.stderr
    assert "plain_vs_residual" in answer.stderr


def test_a_missing_net_is_answered_with_what_there_is(make: Make) -> None:
    answer = make("train", "MODEL=resnet20", "RECIPE=digits")
    assert answer.returncode == 2
    assert "others, a folder of photographs (./photos), or a file of arrays" in answer.stderr


def test_a_missing_environment_is_named_and_not_made(make: Make, tmp_path: Path) -> None:
    answer = make("lint", f"VENV={tmp_path}/nothing here")
    assert answer.returncode == 2
    assert f"{tmp_path}/nothing here/bin/python" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["checkout"]
