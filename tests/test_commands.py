"""The front door: it answers at once, writes nothing in a dry run, and explains mistakes."""

import os
import re
import runpy
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import safetensors.torch
from PIL import Image
from tests.results import DONE

from reslab import commands, disk, store
from reslab.config.datasets import DatasetName
from reslab.config.resolve import resolve
from reslab.errors import UserError
from reslab.experiments.jobs import Job, jobs_of
from reslab.models.nets import build


def arguments(command: str = "run", **given: Any) -> Namespace:
    nothing = {
        "budget": None,
        "epochs": None,
        "seeds": None,
        "only": None,
        "set": [],
        "devices": 1,
        "dry": False,
        "micro_batch": None,
        "sync_batchnorm": False,
        "slots_per_gpu": 1,
        "on": None,
        "follow": False,
        "card": None,
    }
    return Namespace(command=command, **{**nothing, **given})


def dry(capsys: pytest.CaptureFixture[str], name: str = "quickstart", **given: Any) -> str:
    assert commands.run(arguments(name=name, dry=True, **given)) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def cells(text: str, label: str) -> list[str]:
    """The cells of a table's row."""
    [line] = [line for line in text.splitlines() if line.startswith(f"| {label} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


# ---- dry runs -----------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dry(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_is_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    before = commands.plan_of(arguments(name="quickstart", seeds=1))
    store.write_plan(before)
    dry(capsys, seeds=2)
    assert store.plans_of("quickstart") == [before]


def test_a_dry_run_shows_runs_costs_steps_and_what_is_about_to_happen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = dry(capsys, only="plain-20", seeds=3, budget=0.5)
    *row, each = cells(text, "plain-20")
    # 200 steps of 64 of 1,437 images
    assert row == [
        *("plain-20", "model: plain20_w8", "67,906", "631,616", "200", "8.9", "3 pending")
    ]
    assert each.endswith("s")
    assert "3 of 3 runs to do" in text.splitlines()[-1]


def test_a_dry_run_says_the_same_of_a_run_and_of_all_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are corrected by what runs took here."""
    monkeypatch.setattr("reslab.experiments.preview.correction", lambda _: 30.0)
    text = dry(capsys, only="plain-20", seeds=1)
    assert text.splitlines()[-1].endswith(f"estimated {cells(text, 'plain-20')[-1]}")


def test_a_plan_for_another_machine_is_dry_and_says_what_it_assumes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = dry(capsys, "plain_vs_residual", only="*20", card="H100", slots_per_gpu=None)
    assumed, chosen, announced = text.splitlines()[-3:]
    assert assumed.startswith("CARD=h100: planned for a machine with such a card")
    assert chosen.startswith("SLOTS_PER_GPU=auto: 2 runs on a GPU")
    assert "2 at once on 1 GPU each, 2 runs on each" in announced
    with pytest.raises(UserError, match=r"CARD='h100' plans for a machine .*: say DRY=1, too"):
        commands.run(arguments(name="quickstart", card="h100"))


@pytest.mark.process
def test_a_plan_on_a_gpu_says_how_many_runs_share_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A driver that knows one card, with little memory left; no MPS."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text('#!/bin/sh\ncase "$*" in *=index*) echo 0;; *) echo "NVIDIA L4, 2000";; esac\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    text = dry(capsys, "plain_vs_residual", only="*20", slots_per_gpu=None)
    chosen, announced = text.splitlines()[-2:]
    assert chosen == (
        "SLOTS_PER_GPU=auto: 1 run on a GPU, by turns (no MPS runs): 2 GB hold 1.2 GB for each"
    )
    assert "1 at once on 1 GPU each; estimated" in announced


def test_a_dry_run_counts_states_per_variant(capsys: pytest.CaptureFixture[str]) -> None:
    plan = commands.plan_of(arguments(name="quickstart", seeds=2, only="plain-*"))
    store.write_plan(plan)
    first = next(folder for _, folder, _ in plan.runs())
    disk.write_json(first / store.RESULT, DONE)
    text = dry(capsys, seeds=2, only="plain-*")
    assert cells(text, "plain-8")[6] == "1 done, 1 pending"
    assert cells(text, "plain-20")[6] == "2 pending"


def test_epochs_are_of_the_images_that_are_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    """400 steps of 64 images; 400 of the 1,437 are set aside."""
    assert cells(dry(capsys, set=["data.holdout=400"]), "plain-8")[5] == "24.7"


def test_when_all_runs_are_final_a_dry_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    plan = commands.plan_of(arguments(name="quickstart", seeds=1))
    for _, folder, _ in plan.runs():
        folder.mkdir(parents=True)
        disk.write_json(folder / store.RESULT, DONE)
    assert "all 6 runs are final: nothing to train" in dry(capsys, seeds=1)


def test_a_plan_lists_the_classes_of_a_folder_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nine of them: what was meant for a single class shows."""
    photos = tmp_path / "photos"
    for name in ("\x1b[31mred", *(f"class {place}" for place in range(8))):
        for file in "123":
            (photos / name).mkdir(parents=True, exist_ok=True)
            (photos / name / f"{file}.jpg").write_text(file)
    given = {"model": "resnet20", "data": "imagefolder", "recipe": "imagenette"}
    words = [f"data.folder={photos}", "data.test_fraction=0.4", "recipe.batch_size=2"]
    assert commands.run(arguments("train", dry=True, set=words, **given)) == 0
    listed = ", ".join(["\\x1b[31mred", *(f"class {place}" for place in range(7))])
    line = f"9 classes in {photos}: {listed} and 1 more"
    assert line in capsys.readouterr().out.splitlines()


# ---- train: an experiment of one variant --------------------------------------------------------


def test_training_one_net_is_an_experiment_of_one_variant() -> None:
    plan = commands.plan_of(
        arguments("train", model="resnet20", data="cifar10", recipe="he2015_cifar", budget=0.5)
    )
    assert plan.experiment == "train-resnet20-cifar10-he2015-cifar"
    [(variant, _, config)] = plan.runs()
    assert variant.label == "resnet20"
    assert config.budget == 0.5


def of_photographs(folder: Path) -> Path:
    for name in ("train/cat/1", "train/dog/1", "valid/cat/2", "valid/dog/2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("word", ["{}", "{}/", "./my photos", "~/my photos/", "{}/train/.."])
def test_a_folder_in_the_place_of_a_data_set_is_one_of_photographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    photos = of_photographs(tmp_path / "my photos")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    words = ["recipe.batch_size=2"]
    given: dict[str, Any] = {"model": "resnet20", "recipe": "imagenette", "set": words}
    plan = commands.plan_of(arguments("train", data=word.format(photos), **given))
    assert plan.experiment == "train-resnet20-my-photos-imagenette"
    assert plan.title == "resnet20 on my photos"
    [(_, _, config)] = plan.runs()
    assert (config.data.name, config.data.folder) == ("imagefolder", str(photos))
    words.append(f"data.folder={photos}")
    long = commands.plan_of(arguments("train", data="imagefolder", **given))
    assert [run.run_id for _, _, run in long.runs()] == [config.run_id]


def test_a_path_that_is_no_folder_and_a_folder_without_a_path_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_photographs(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    for word, told in {
        "./fotos": f"data: there is no folder {tmp_path}/fotos; expected one with photographs, "
        "a file",
        "photos": "data: no data set is called 'photos'; for the folder: ./photos",
        "./\udcff": f"data: {tmp_path}/\udcff: a name in it is no UTF-8",
    }.items():
        with pytest.raises(UserError) as refused:
            commands.plan_of(arguments("train", model="resnet20", data=word, recipe="imagenette"))
        assert told in str(refused.value)
    given: dict[str, Any] = {"model": "resnet20", "data": "./photos", "recipe": "imagenette"}
    with pytest.raises(UserError, match=r"data: stands here twice, as .*photos and as folder: '/x"):
        commands.plan_of(arguments("train", set=["data.folder=/x"], **given))


def test_a_mistake_on_the_command_line_is_named() -> None:
    with pytest.raises(UserError, match=r"^the command line: .*no net is called 'resnet21'"):
        commands.plan_of(arguments("train", model="resnet21", data="digits", recipe="digits"))


@pytest.mark.process
def test_a_folder_and_weights_make_a_net_that_knows_the_folders_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """60 photographs, black and white; a head on the weights of an untrained net tells them apart,
    and what it has learned is used without a word about classes or preprocessing."""
    photos = tmp_path / "photos"
    for name, colour in (("black", 0), ("white", 255)):
        (photos / name).mkdir(parents=True)
        for number in range(30):
            Image.new("RGB", (40, 40), (colour,) * 3).save(photos / name / f"{number}.png")
    net = build(
        resolve({"model": "resnet8_w8", "data": "cifar10", "recipe": "he2015_cifar"}, "").model
    )
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(net.state_dict(), weights)
    words = ["recipe.normalization=imagenet", "recipe.photographs.size=32"]
    given = {"folder": str(photos), "model": "resnet8_w8", "weights": str(weights)}
    which = arguments("finetune", trains="head", recipe=None, epochs=20, set=words, **given)
    assert commands.run(which) == 0
    lines = capsys.readouterr().out.splitlines()
    [row] = [line.split("|") for line in lines if line.startswith("| resnet8_w8")]
    assert row[5].strip() == "weights.safetensors"
    assert row[9].strip() == "0.00 ± –"
    [run] = (store.runs_root() / "finetune-resnet8-w8-photos-head").glob("resnet8-w8-s0-*")
    script = Path(__file__).parents[1] / "scripts" / "predict.py"
    command = [sys.executable, str(script), str(photos / "white" / "1.png"), "--weights", str(run)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "white" in told.splitlines()[2]


# ---- around a run -------------------------------------------------------------------------------


def prepared() -> Job:
    """The only run of a plan."""
    plan = commands.plan_of(arguments(name="quickstart", seeds=1, only="plain-8"))
    store.write_plan(plan)
    [job] = jobs_of(plan)
    return job


def test_diagnostics_of_runs_that_ended_without_are_told_to_be_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = commands.plan_of(arguments(name="quickstart", seeds=1))
    store.write_plan(plan)
    folders = [folder for _, folder, _ in plan.runs()]
    for folder in folders:
        disk.write_json(folder / store.RESULT, DONE)
    (folders[0] / store.DIAGNOSTICS).touch()
    assert commands.run(arguments(name="quickstart", seeds=1)) == 0
    assert "DIAGNOSTICS" not in capsys.readouterr().out
    assert commands.run(arguments(name="quickstart", seeds=1, diagnostics=True)) == 0
    assert "DIAGNOSTICS=1: 5 runs of 6 ended without" in capsys.readouterr().out


def test_the_table_of_a_plan_that_has_not_begun_is_printed_and_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = prepared()
    assert commands.read("table", ["quickstart"]) == 0
    printed = capsys.readouterr().out
    assert "plain-8" in printed
    home = store.read_plan("quickstart").home
    assert home.parent.parent == job.folder.parent
    assert (home / "table.md").read_text(encoding="utf-8") in printed
    assert (home / "table.csv").exists()


def test_the_status_of_a_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    job = prepared()
    assert commands.read("status", ["quickstart"]) == 0
    assert f"| {job.folder.name} | pending" in capsys.readouterr().out


def test_a_paper_is_written_beside_the_table_and_its_command_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepared()
    assert commands.read("paper", ["quickstart"]) == 0
    printed = capsys.readouterr().out
    folder = store.read_plan("quickstart").home / "paper"
    assert {str(path) for path in folder.iterdir()} <= set(printed.splitlines())
    assert f"cd {folder} && pdflatex" in printed


@pytest.mark.parametrize("command", ["table", "status", "figure", "paper"])
def test_what_was_never_run_has_nothing_to_read(command: str) -> None:
    with pytest.raises(UserError, match="'mnist' has not been run in"):
        commands.read(command, ["mnist"])


def test_one_table_over_several_experiments_is_printed_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    prepared()
    plan = commands.plan_of(arguments("train", model="resnet8_w8", data="digits", recipe="digits"))
    store.write_plan(plan)
    assert commands.read("compare", ["quickstart", plan.experiment, "quickstart"]) == 0
    printed = capsys.readouterr().out
    assert cells(printed, store.read_plan("quickstart").name)[1] == "plain-8"
    assert cells(printed, plan.experiment)[1] == "resnet8_w8"
    kept = tmp_path / "runs" / "compare.md"
    assert printed.startswith(kept.read_text(encoding="utf-8"))
    assert f"{kept}, {kept.with_suffix('.csv')}" in printed
    assert kept.with_suffix(".csv").read_text(encoding="utf-8").startswith("experiment,variant")


def test_what_was_not_run_cannot_be_compared(tmp_path: Path) -> None:
    prepared()
    with pytest.raises(UserError, match=r"'quickstrat' has not been run in .* mean quickstart"):
        commands.read("compare", ["quickstart", "quickstrat"])
    assert not (tmp_path / "runs" / "compare.md").exists()


# ---- the script itself --------------------------------------------------------------------------


Script = Callable[..., tuple[int, str, str]]


@pytest.fixture
def script(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Script:
    """`script("run", "quickstart")` is its exit code, output and errors; in this process."""

    def run(*words: str) -> tuple[int, str, str]:
        file = str(repository / "scripts" / "experiment.py")
        monkeypatch.setattr(sys, "argv", [file, *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(file, run_name="__main__")
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_the_front_door_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'lightning', 'torchvision', 'wandb', 'scipy', 'matplotlib'}"
    code = (
        "import sys; import reslab.commands, reslab.report.table, reslab.report.status;"
        f"print(*({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_says_what_there_is(script: Script) -> None:
    code, output, _ = script("--help")
    assert code == 0
    words = re.findall(r"^    (\w+) ", output, re.MULTILINE)
    assert words == ["run", "train", "finetune", *commands.READERS]
    assert "configs/experiments" in output


def test_the_help_of_train_lists_every_data_set(script: Script) -> None:
    _, output, _ = script("train", "--help")
    assert all(name in output.replace(",", " ").split() for name in get_args(DatasetName))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "quickstrat"), "configs/experiments has no 'quickstrat'; did you mean quickstart"),
        (("run", "../quickstart"), "'../quickstart' is no experiment's name"),
        (("status", "../quickstart"), "'../quickstart' is no experiment's name"),
        (("table", "quickstrat"), "'quickstrat' has not been run"),
        (("run", "quickstart", "--set=model"), "expected KEY=VALUE"),
        (
            ("run", "quickstart", "--set=model.shortcut=E"),
            "model.shortcut: got 'E'; expected 'none'",
        ),
        (("run", "quickstart", "--seeds=0"), "SEEDS=0: expected a whole number above 0"),
        (("run", "quickstart", "--only=x"), "ONLY='x' matches none of the variants"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_ends_with_2_and_a_few_lines(
    script: Script, words: tuple[str, ...], message: str
) -> None:
    code, output, errors = script(*words)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ")
    assert message in errors
    assert len(errors.splitlines()) <= 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("seeds=x", "SEEDS=x: expected a whole number above 0"),
        ("seeds=1.5", "SEEDS=1.5: expected a whole number above 0"),
        ("budget=abc", "BUDGET=abc: expected a number above 0, for example 0.02"),
        ("devices=two", "DEVICES=two: expected a whole number above 0"),
        ("micro-batch=", "MICRO_BATCH=: expected a whole number above 0"),
        ("slots-per-gpu=x", "SLOTS_PER_GPU=x: expected a whole number above 0, or auto"),
    ],
)
def test_what_is_no_number_is_told_by_the_word_of_make(
    script: Script, option: str, message: str
) -> None:
    assert script("run", "quickstart", f"--{option}") == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("words", [(), ("run",), ("run", "quickstart", "--seed"), ("walk",)])
def test_words_that_are_not_understood_end_with_2_and_the_usage(
    script: Script, words: tuple[str, ...]
) -> None:
    code, output, errors = script(*words)
    assert (code, output) == (2, "")
    assert errors.startswith("usage: ")
    assert len(errors.splitlines()) <= 6


@pytest.mark.process
def test_a_mistake_has_no_traceback_in_a_process_either(repository: Path) -> None:
    command = [sys.executable, str(repository / "scripts" / "experiment.py"), "run", "quickstrat"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: configs/experiments has no 'quickstrat'; did you mean")


def test_photographs_that_are_not_there_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=r"imagenet belongs in RESLAB_DATA/imagenet: expected "):
        commands.run(arguments(name="cardinality"))
    assert list(tmp_path.iterdir()) == []
