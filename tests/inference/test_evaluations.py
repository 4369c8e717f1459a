"""scripts/evaluate.py on small inputs of the kinds that people have; examples of the whole way."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import DECODING
from tests.report.conftest import Lab
from tests.small_runs import Script
from torch import Tensor

from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.inference.evaluations import runs_of
from reslab.models.nets import build
from reslab.weights.given import Given

pytestmark = DECODING

SAID = ("--model=resnet8_w8", "--data=digits", "--normalization=channel")


@pytest.fixture
def net() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return build("resnet8_w8").state_dict()


def prefixed(net: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in net.items()}


WRAPPED: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "net": lambda net: {"net": net, "acc": 10.0, "epoch": 1},
    "model_state_dict": lambda net: {"model_state_dict": net, "optimizer_state_dict": {}},
    "numbers beside tensors": lambda net: {**net, "epoch": 3},
    "a scalar of numpy's": lambda net: {"state_dict": net, "best": np.float64(93.5)},
    "module.": lambda net: prefixed(net, "module."),
    "a LightningModule": lambda net: {"state_dict": prefixed(net, "model."), "epoch": 1},
    "compiled": lambda net: {"model": prefixed(net, "module._orig_mod.backbone.")},
    "ema": lambda net: {"state_dict": net, "state_dict_ema": prefixed(net, "module.")},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_wrapped_net_is_the_same_net(
    tmp_path: Path, net: dict[str, Tensor], wrapper: str, script: Script
) -> None:
    bare, wrapped = tmp_path / "bare.pth", tmp_path / "wrapped.pth.tar"
    torch.save(net, bare)
    torch.save(WRAPPED[wrapper](net), wrapped)
    expected = script("evaluate.py", bare, *SAID, "--json")
    code, printed, _ = script("evaluate.py", wrapped, *SAID, "--json")
    assert (code, printed) == (0, expected[1])
    assert json.loads(printed)["examples"] == 360


def test_of_averaged_weights_it_is_said_which_were_taken_and_how_to_take_the_others(
    tmp_path: Path, net: dict[str, Tensor], script: Script
) -> None:
    file = tmp_path / "both.pth"
    zeros = {key: torch.zeros_like(value) for key, value in net.items()}
    torch.save({"state_dict": net, "state_dict_ema": zeros}, file)
    _, printed, told = script("evaluate.py", file, *SAID)
    assert told.startswith(f"{file}: took state_dict; ")
    assert "(averaged weights): --key state_dict_ema\n" in told
    _, other, _ = script("evaluate.py", file, *SAID, "--key=state_dict_ema")
    assert "324 of 360 wrong" in other  # one class for all, with 36 images
    assert other != printed


def test_a_shortcut_of_another_kind_is_told_and_can_be_said(tmp_path: Path, script: Script) -> None:
    file = tmp_path / "b.pth"
    torch.save(
        build(describe("resnet8_w8").model_copy(update={"shortcut": "B"})).state_dict(), file
    )
    code, _, told = script("evaluate.py", file, *SAID)
    assert code == 2
    assert "what fits: --set model.shortcut=B" in told
    code, printed, _ = script("evaluate.py", file, *SAID, "--set=model.shortcut=B")
    assert code == 0 and "of 360 wrong" in printed


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_weights_that_are_not_finite_have_no_error(
    tmp_path: Path, net: dict[str, Tensor], script: Script, options: tuple[str, ...]
) -> None:
    file = tmp_path / "nan.pth"
    torch.save(
        {key: value * torch.nan if value.dim() else value for key, value in net.items()}, file
    )
    code, printed, told = script("evaluate.py", file, *SAID, *options)
    assert (code, printed) == (2, "")
    assert "the weights are not finite (NaN or infinite): " in told


def test_json_has_null_where_a_loss_is_infinite(
    tmp_path: Path, net: dict[str, Tensor], script: Script
) -> None:
    """Finite weights, whose logits are not."""
    file = tmp_path / "large.pth"
    torch.save({**net, "fc.weight": torch.full_like(net["fc.weight"], 3e38)}, file)
    code, printed, _ = script("evaluate.py", file, *SAID, "--json")
    assert code == 0
    assert json.loads(printed, parse_constant=pytest.fail)["loss"] is None


def test_predict_and_export_take_what_is_said_as_evaluate_does(
    tmp_path: Path, net: dict[str, Tensor], script: Script
) -> None:
    from PIL import Image

    file, exported, image = tmp_path / "net.pth", tmp_path / "net.safetensors", tmp_path / "x.png"
    torch.save({"net": prefixed(net, "module.")}, file)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)).save(image)
    code, before, _ = script("predict.py", image, "--weights", file, *SAID, "--json")
    assert code == 0
    code, _, _ = script("export.py", file, "--to=safetensors", exported, *SAID)
    assert code == 0
    code, after, _ = script("predict.py", image, "--weights", exported, "--json")
    assert (code, after) == (0, before)
    theirs = evaluate_file(file, Given("resnet8_w8", "digits", "channel")).score
    assert evaluate_file(exported).score == theirs


def test_a_folder_is_what_a_net_is_tested_on(tmp_path: Path, script: Script) -> None:
    from PIL import Image

    for split in ("train", "val"):
        for place, name in enumerate(("cat", "dog")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (40, 40), (100 * place, 30 * number, 9)).save(
                    folder / f"{number}.png"
                )
    file = tmp_path / "net.pth"
    torch.save(build(describe("resnet8_w8").model_copy(update={"in_channels": 3, "classes": 2}))
               .state_dict(), file)  # fmt: skip
    code, printed, _ = script(
        "evaluate.py", file, "--model=resnet8_w8", "--folder", tmp_path / "photos",
        "--normalization=mean=0.5,std=0.25", "--set=photographs.size=32", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(printed)["examples"] == 4


def test_one_that_cannot_be_read_does_not_end_the_others(
    tmp_path: Path, net: dict[str, Tensor], script: Script
) -> None:
    file, pointer = tmp_path / "net.pth", tmp_path / "pointer.pth"
    torch.save(net, file)
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    code, printed, told = script("evaluate.py", pointer, file, *SAID)
    assert code == 2
    assert re.search(r"\n\| net.pth \| digits test \|\s+\d+ \| 360 \|", printed)
    assert told == (
        f"error: {pointer} cannot be read as weights: it is a Git LFS pointer: git lfs pull brings "
        "the file itself\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which weights? Say a run's folder or a file"),
        (("a", "b", "--confusion=c.csv"), "--confusion is for one run or file"),
        (("a", "--confusion=nowhere/c.csv"), "--confusion: there is no folder nowhere"),
        (("a", "--save=c.txt"), "--save c.txt: expected a file that ends with .csv or .json"),
        (
            ("a", "--save=c.csv", "--latency"),
            "--save is of a net as it was trained; leave it out beside --quantize, --latency",
        ),
    ],
)
def test_words_that_make_no_sense_are_refused(
    script: Script, words: tuple[str, ...], message: str
) -> None:
    assert script("evaluate.py", *words) == (2, "", f"error: {message}\n")


def test_several_are_one_table_with_their_names(
    tmp_path: Path, net: dict[str, Tensor], script: Script
) -> None:
    files = [tmp_path / "one.pth", tmp_path / "other.pth"]
    for file in files:
        torch.save(net, file)
    code, printed, told = script("evaluate.py", *files, *SAID, "--save", tmp_path / "all.csv")
    assert (code, told) == (0, "")
    assert [line.split("|")[1].strip() for line in printed.splitlines()[2:]] == [
        "one.pth",
        "other.pth",
    ]
    _, rows = (tmp_path / "all.csv").read_text(encoding="utf-8").split("\n", 1)
    assert [row.partition(",")[0] for row in rows.splitlines()] == ["one.pth", "other.pth"]
    _, lines, _ = script("evaluate.py", *files, *SAID, "--json")
    assert [json.loads(line)["run"] for line in lines.splitlines()] == list(map(str, files))


def test_a_plans_name_stands_for_its_runs_that_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path))
    lab = Lab("mine")
    done, _ = lab.variant("plain", {"model": "plain20"}, seeds=2)
    with pytest.raises(UserError, match="no run of mine is done; to see them: make status NAME=mi"):
        runs_of(Path("mine"))
    lab.done(done, 1.0, 9.0)
    assert runs_of(Path("mine")) == [done]
    assert "1 of 2 runs of mine are not done and left out" in capsys.readouterr().err
    assert runs_of(done) == [done]
    for path in map(Path, ("yours", "net.pth", "no/such")):
        assert runs_of(path) == [path]
