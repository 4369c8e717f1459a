"""What is said of weights takes the place of what their file says."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from reslab.config.resolve import resolve
from reslab.config.trees import merge
from reslab.config.use import Use
from reslab.errors import UserError
from reslab.weights.given import Given, add_options, given

FILE = Path("net.pth")


def run() -> Use:
    tree = {"model": "resnet8_w8", "data": "digits", "recipe": "digits"}
    return Use.of_run(resolve(merge(tree, {}), "a run"))


def test_what_is_not_given_is_as_the_file_says() -> None:
    assert Given().use(FILE, run()) == run()
    assert Given(normalization="none", key="ema").use(FILE, run()) == run()


def test_a_field_is_laid_over_a_files_net_and_a_name_replaces_it() -> None:
    assert Given(sets=("model.shortcut=B",)).use(FILE, run()).model.shortcut == "B"
    named = Given(model="resnet20", sets=("model.shortcut=B",)).use(FILE, run())
    assert (named.model.units, named.model.shortcut, named.model.in_channels) == ((3, 3, 3), "B", 1)


def test_other_data_bring_their_own_size() -> None:
    other = Given(model="resnet20", data="mnist").use(FILE, run())
    assert (other.data and other.data.name, other.image_size) == ("mnist", 28)


def test_a_crop_can_have_another_size() -> None:
    use = Given("resnet18", "imagenet").use(FILE, None)
    larger = Given(sets=("photographs.size=320", "photographs.test_shorter_side=352"))
    assert larger.use(FILE, use).image_size == 320


def test_a_folder_alone_is_one_of_ones_own(tmp_path: Path) -> None:
    for name in ("train/cat/1", "train/dog/1", "val/cat/2", "val/dog/2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    use = Given(model="resnet18", folder=str(tmp_path)).use(FILE, None)
    assert use.data and (use.data.name, use.model.classes) == ("imagefolder", 2)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Given(), "net.pth does not say its model; add --model"),
        (Given(data="digits"), "net.pth does not say its model; add --model"),
        (Given(model="resnet21"), "the command line: model: no net is called 'resnet21'"),
        (Given(model="resnet20", sets=("shortcut",)), "--set: expected KEY=VALUE"),
        (Given(model="resnet20", sets=("model.shotcut=B",)), "model.shotcut: no such field"),
        (Given(model="resnet20", sets=("recipe.steps=3",)), "recipe: no such field"),
    ],
)
def test_mistakes_are_told(said: Given, message: str) -> None:
    with pytest.raises(UserError) as caught:
        said.use(FILE, None)
    assert message in str(caught.value)


def test_all_scripts_read_the_same_options() -> None:
    parser = ArgumentParser()
    add_options(parser)
    words = ["--model=a", "--set=b=c", "--set=d=e", "--data=f", "--folder=g"]
    said = given(parser.parse_args([*words, "--normalization=mean=1,std=2", "--key=h"]))
    assert said == Given("a", "f", "mean=1,std=2", "g", ("b=c", "d=e"), "h")
    assert given(parser.parse_args([])) == Given()
