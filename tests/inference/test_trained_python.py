"""Trained nets of one's own, elsewhere: weights with the code beside them."""

import shutil
from pathlib import Path

import pytest
import torch
from tests.conftest import DECODING
from tests.python_nets import NET, net, net_file
from tests.small_runs import SMALL, Script, write_weights

from reslab import load
from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.export import export
from reslab.inference.trained import trained
from reslab.weights.given import Given

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NORMALIZATION = Normalization("pixel_mean", torch.rand(1, 8, 8), torch.ones(1, 1, 1))


@pytest.fixture
def own_weights(tmp_path: Path) -> Path:
    """Weights of a run of such a net, with its code beside them."""
    config = resolve(merge(SMALL, {"model": net(net_file(tmp_path / "run"), width=4)}), "x")
    file = tmp_path / "run" / "net.safetensors"
    return write_weights(file, config, NORMALIZATION, tuple("abcdefghij"))


def test_what_is_exported_has_its_code_beside_it_and_goes_anywhere(
    own_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = load(own_weights)(IMAGES)
    (tmp_path / "out").mkdir()
    assert export(own_weights, "safetensors", tmp_path / "out" / "small.safetensors") == 0
    elsewhere = shutil.move(tmp_path / "out", tmp_path / "else where")
    shutil.rmtree(own_weights.parent)
    assert sorted(path.name for path in Path(elsewhere).iterdir()) == [
        "small.py",
        "small.safetensors",
    ]
    capsys.readouterr()
    found = load(Path(elsewhere) / "small.safetensors")
    assert torch.equal(found(IMAGES), expected)
    told = f"runs {Path(elsewhere) / 'small.py'}, the code of the net\n"
    assert capsys.readouterr().err == told


def test_weights_do_not_say_where_their_code_was(own_weights: Path, tmp_path: Path) -> None:
    assert str(tmp_path).encode() not in own_weights.read_bytes()


def test_without_their_code_or_with_another_weights_are_refused(own_weights: Path) -> None:
    net_file(own_weights.parent, NET + "print('another')")
    with pytest.raises(UserError, match=r"net.safetensors: .*my_nets.py is not the code of my_net"):
        load(own_weights)
    (own_weights.parent / "my_nets.py").unlink()
    with pytest.raises(UserError, match=r"net.safetensors: there is no .*run/my_nets.py, the code"):
        load(own_weights)


def test_a_file_of_somebodys_is_not_written_over(own_weights: Path, tmp_path: Path) -> None:
    net_file(tmp_path, "mine = 1\n", "small.py")
    with pytest.raises(UserError, match=r"small\.py is there, where the code of the net would lie"):
        export(own_weights, "safetensors", tmp_path / "small.safetensors")
    assert (tmp_path / "small.py").read_text() == "mine = 1\n"
    assert not (tmp_path / "small.safetensors").exists()
    net_file(tmp_path, NET, "same.py")
    assert export(own_weights, "safetensors", tmp_path / "same.safetensors") == 0


def test_a_state_dict_is_exported_without_code(own_weights: Path, tmp_path: Path) -> None:
    assert export(own_weights, "torchvision", tmp_path / "small.pth") == 0
    assert [path.name for path in tmp_path.glob("small*")] == ["small.pth"]


@pytest.mark.process
def test_the_computation_is_exported_without_code(own_weights: Path, tmp_path: Path) -> None:
    assert export(own_weights, "torch_export", tmp_path / "small.pt2") <= 1e-5
    assert [path.name for path in tmp_path.glob("small*")] == ["small.pt2"]


def test_somebodys_weights_are_loaded_into_a_net_of_ones_own(tmp_path: Path) -> None:
    file = net_file(tmp_path)
    config = resolve(merge(SMALL, {"model": net(file, width=4)}), "x")
    made = load(
        write_weights(tmp_path / "a.safetensors", config, NORMALIZATION, tuple("abcdefghij"))
    )
    torch.save(made.state_dict(), tmp_path / "state.pth")
    said = Given(f"python:{file}:Net", "digits", "none", sets=("model.arguments.width=4",))
    found, about = trained(tmp_path / "state.pth", said)
    assert torch.equal(found(IMAGES), made(IMAGES))
    assert about.use.model == config.model


@DECODING
def test_predict_says_whose_code_it_runs(own_weights: Path, tmp_path: Path, script: Script) -> None:
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    code, told, said = script("predict.py", tmp_path / "a.png", "--weights", own_weights)
    assert code == 0
    assert "a.png" in told
    assert f"runs {own_weights.parent / 'my_nets.py'}, the code of the net" in said
