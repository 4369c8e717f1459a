"""A run becomes a net that comes with the package: usable by its name, with an honest card."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tests.conftest import DECODING
from tests.small_runs import MakeRun, Script

from reslab import build, disk, load, store
from reslab.config import shipped
from reslab.config.strict_yaml import load_yaml
from reslab.data.sources import open_source
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.inference.shipping import ship
from reslab.training.start import start

OF_DIGITS = [name for name in shipped.shipped() if name.endswith(".digits")]


@pytest.mark.parametrize("name", OF_DIGITS)
def test_a_shipped_net_errs_as_its_card_says(name: str) -> None:
    path = shipped.shipped_file(name)
    assert path is not None
    found = evaluate_file(Path(name)).score
    told = f"**{found.top1_error:.2f} %** of {found.examples:,} test images wrong"
    assert told in path.with_suffix(".md").read_text(encoding="utf-8")
    net = build(name.removeprefix("reslab:").partition(".")[0], in_channels=1, weights=name)
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(net.eval()(images), load(name)(images))


@DECODING
@pytest.mark.parametrize("name", OF_DIGITS)
def test_scripts_take_it_by_its_name(name: str, script: Script, tmp_path: Path) -> None:
    digit = open_source("digits").test
    image = Image.fromarray(digit.images[0, 0].numpy())
    image.save(tmp_path / "digit.png")
    code, told, _ = script("predict.py", tmp_path / "digit.png", "--weights", name, "--json")
    assert code == 0 and f'"{digit.targets[0]}"' in told
    code, _, told = script("evaluate.py", f"{name}s")
    assert code == 2 and f"or {' or '.join(shipped.shipped())}" in told


def test_what_has_not_ended_or_has_no_name_does_not_ship(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("tiny").parent
    with pytest.raises(UserError, match="is pending; what ships is the net of a run that is done"):
        ship(folder, "reslab:resnet8_w8.digits", tmp_path)
    for name in ("resnet8_w8.digits", "reslab:resnet8_w8", "reslab:../x.digits"):
        with pytest.raises(UserError, match=r"expected a name such as reslab:resnet20\.cifar10"):
            ship(folder, name, tmp_path)


@pytest.mark.process
def test_a_run_ships_with_weights_row_and_card(make_run: MakeRun, tmp_path: Path) -> None:
    file = make_run("tiny", {"recipe.steps": 4, "recipe.schedule.milestones": [2, 3]})
    start(file)
    folder, name = tmp_path / "shipped", "reslab:resnet8_w8.digits"
    folder.mkdir()
    disk.write_text(folder / shipped.TABLE, "reslab:a.b: {sha256: '0'}\n")
    for _ in range(2):  # in the place of what had the name
        written = ship(file.parent, name, folder)
    weights, table, card = written
    assert sorted(written) == sorted(folder.iterdir())
    with safe_open(weights, "pt") as held:
        assert set(held.keys()) == build("resnet8_w8").state_dict().keys()
    assert list(load_yaml(table)) == ["reslab:a.b", name]
    assert load_yaml(table)[name]["size"] == weights.stat().st_size
    error = store.read_result(file.parent)["test"]["top1_error"]  # type: ignore[index]
    told = card.read_text(encoding="utf-8")
    assert f"**{error:.2f} %** of 360 test images wrong" in told
    assert "Training lasted 4 steps of 32 images" in told


@pytest.mark.process
def test_weights_too_large_for_a_wheel_do_not_ship(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_run("tiny", {"recipe.steps": 4, "recipe.schedule.milestones": [2, 3]})
    start(file)
    monkeypatch.setattr("reslab.inference.shipping.LARGEST", 1000)
    with pytest.raises(UserError, match="at most 1 kB ship"):
        ship(file.parent, "reslab:resnet8_w8.digits", tmp_path)
    assert not (tmp_path / shipped.TABLE).exists()
