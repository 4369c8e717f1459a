"""Images of any kind are named with their classes; what cannot be read is listed, never dropped."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import DECODING
from tests.small_runs import Script, write_weights

from reslab.config.resolve import resolve
from reslab.config.use import Use
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.inference.loaded import as_input
from reslab.inference.predict import image_files, predict
from reslab.inference.trained import trained

pytestmark = DECODING


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two images, one of them grey, in a folder and in a folder of it; and what is no image."""
    folder = tmp_path / "Fotos für 猫"
    (folder / "more").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "b.png")
    Image.fromarray(pixels[..., 0]).save(folder / "more" / "a.png")
    (folder / "no.jpg").write_text("no image")
    (folder / ".hidden.png").write_bytes((folder / "b.png").read_bytes())
    return folder


def test_the_probabilities_are_the_softmax_of_the_nets_logits(
    digit_weights: Path, pictures: Path
) -> None:
    """Of the image as Pillow makes it: grey, then its middle, 8×8, but for rounding."""
    seen = predict([str(pictures)], digit_weights, top=10)
    assert [path.name for path in seen.guesses] == ["b.png", "a.png"]
    net, about = trained(digit_weights)
    image = Image.open(pictures / "b.png").convert("L")
    small = image.resize((12, 8), Image.Resampling.BILINEAR).crop((2, 0, 10, 8))
    as_batch = torch.from_numpy(np.array(small))[None, None]
    with torch.no_grad():
        expected = net(about.normalization(as_batch)).softmax(1)[0]
    found = dict(seen.guesses[pictures / "b.png"])
    assert list(found.values()) == sorted(found.values(), reverse=True)
    ordered = torch.tensor([found[name] for name in about.class_names])
    torch.testing.assert_close(ordered, expected, rtol=0.1, atol=0.02)


def test_photographs_are_cropped_as_the_runs_evaluation_crops_them(
    tmp_path: Path, pictures: Path
) -> None:
    from torchvision.transforms.v2 import CenterCrop, Compose, Resize

    tree = {"model": "resnet18", "data": "imagenet", "recipe": "he2015_imagenet"}
    config = resolve(tree, "here")
    image = torch.from_numpy(np.array(Image.open(pictures / "b.png"))).permute(2, 0, 1)
    expected = Compose([Resize(256), CenterCrop(224)])(image)
    assert torch.equal(as_input(image, Use.of_run(config)), expected)
    imagenet = Normalization.fit("imagenet", torch.zeros(0, 3, 1, 1))
    names = tuple(f"class {label}" for label in range(1000))
    weights = write_weights(tmp_path / "resnet18.safetensors", config, imagenet, names)
    [guesses] = predict([str(pictures / "b.png")], weights, top=3).guesses.values()
    assert len(guesses) == 3


def test_files_folders_and_globs_name_images(pictures: Path) -> None:
    inner, outer = pictures / "more" / "a.png", pictures / "b.png"
    assert image_files([str(outer)]) == [outer]
    assert image_files([str(pictures / "more")]) == [inner]
    assert image_files([str(pictures)]) == [outer, inner, pictures / "no.jpg"]
    assert image_files([str(pictures / "*.png"), str(outer)]) == [outer]
    assert image_files([str(pictures / "**" / "*.png")]) == [outer, inner]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(pictures: Path) -> None:
    odd = pictures / "b[1].png"
    (pictures / "b.png").rename(odd)
    assert image_files([str(odd)]) == [odd]


@pytest.mark.parametrize("word", ["nothing.png", "*.tif", "empty"])
def test_what_names_no_image_is_an_error(tmp_path: Path, word: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected an image, a folder with images, or a glob"):
        image_files([str(tmp_path / word)])


def test_weights_of_others_say_nothing_about_images(tmp_path: Path, pictures: Path) -> None:
    torch.save({"fc.bias": torch.ones(3)}, tmp_path / "theirs.pt")
    with pytest.raises(UserError, match="does not say its model; add --model"):
        predict([str(pictures)], tmp_path / "theirs.pt", top=5)


def test_no_class_at_all_is_refused(digit_weights: Path, pictures: Path) -> None:
    with pytest.raises(UserError, match="--top 0: expected at least one class"):
        predict([str(pictures)], digit_weights, top=0)


def test_the_script_prints_tables_json_and_csv_and_lists_what_is_no_image(
    digit_weights: Path, pictures: Path, script: Script
) -> None:
    def run(*options: str) -> str:
        words = (pictures, "--weights", digit_weights, "--top=2", *options)
        code, printed, errors = script("predict.py", *words)
        assert code == 1
        assert f"cannot be decoded: {pictures / 'no.jpg'}: " in errors
        return printed

    told = json.loads(run("--json"))
    assert [Path(one["file"]).name for one in told["predictions"]] == ["b.png", "a.png"]
    assert [Path(one["file"]).name for one in told["undecodable"]] == ["no.jpg"]
    rows = list(csv.DictReader(io.StringIO(run("--csv"))))
    assert [row["rank"] for row in rows] == ["1", "2", "1", "2"]
    first = told["predictions"][0]["classes"][0]
    assert (rows[0]["class"], float(rows[0]["probability"])) == (
        first["class"],
        pytest.approx(first["probability"]),
    )
    table = run()
    assert table.startswith("| file")
    assert table.count("%") == 4
    code, _, errors = script("predict.py", pictures / "b.png", "--weights", digit_weights)
    assert (code, errors) == (0, "")
    code, printed, _ = script("predict.py", pictures / "no.jpg", "--weights", digit_weights)
    assert (code, printed) == (2, "")


@pytest.mark.parametrize("form", ["--json", "--csv", "--top=1"])
def test_names_that_are_no_text_or_command_a_terminal_are_printed_in_escapes(
    digit_weights: Path, pictures: Path, script: Script, form: str
) -> None:
    """Python has a byte that is no UTF-8, here ff, as the surrogate dcff; JSON has escapes of its
    own, so that names can be read back."""
    odd = pictures / "more" / "\udcff\x1b[2J.png"
    (pictures / "b.png").rename(odd)
    (pictures / "Thumbs.db").write_text("left behind")
    code, printed, errors = script("predict.py", pictures, "--weights", digit_weights, form)
    assert code == 1
    assert errors.count("cannot be decoded") == 1
    printed.encode()  # no half of a pair
    assert "\x1b" not in printed
    if form == "--json":
        assert str(odd) in [one["file"] for one in json.loads(printed)["predictions"]]
    else:
        assert "\\udcff\\x1b[2J.png" in printed


def test_of_every_image_it_is_drawn_what_the_net_looks_at(
    tmp_path: Path, digit_weights: Path, pictures: Path, script: Script
) -> None:
    """Beside what it sees, under the image's name; two of one name are numbered."""
    (pictures / "b.jpg").write_bytes((pictures / "b.png").read_bytes())
    into = tmp_path / "looked" / "at"
    plain = script("predict.py", pictures, "--weights", digit_weights, "--json")
    code, output, errors = script(
        "predict.py", pictures, "--weights", digit_weights, "--json", "--explain", into
    )
    assert (code, output) == plain[:2]
    assert f"explained: {pictures}/more/a.png: {into}/a.png" in errors
    assert sorted(path.name for path in into.iterdir()) == ["a.png", "b-2.png", "b.png"]
    about = trained(digit_weights)[1]
    drawn = np.array(Image.open(into / "b.png"))
    assert drawn.shape == (224, 448, 3)
    seen = as_input(torch.from_numpy(np.array(Image.open(pictures / "b.png"))).permute(2, 0, 1),
                    about.use)  # fmt: skip
    assert np.array_equal(drawn[::28, :224:28, 0], seen[0].numpy())
