"""Two readers, one contract: a split is read as uint8, whatever it lies in."""

from pathlib import Path

import pytest
import torch
from tests.conftest import DECODING
from tests.data.photographs.reading import run
from tests.data.ranks import digits

from reslab.config.run import RunConfig
from reslab.data.order import Order, Tables
from reslab.data.photographs.opened import PhotographSplits
from reslab.data.readers import Images, Reader, open_images
from reslab.data.sources import Source

pytestmark = DECODING


def opened(config: RunConfig) -> Reader[Images]:
    return open_images(config.data, config.recipe.photographs, workers=0)


@pytest.fixture(params=["resident", "photographs"])
def reader(request: pytest.FixtureRequest) -> Reader[Images]:
    if request.param == "resident":
        return opened(digits())
    return opened(run(request.getfixturevalue("photographs")))


def test_images_of_one_size_are_resident_and_photographs_are_decoded(photographs: Path) -> None:
    assert isinstance(opened(digits()), Source)
    assert isinstance(opened(run(photographs)), PhotographSplits)


def test_a_batch_has_the_images_that_it_draws_as_uint8(reader: Reader[Images]) -> None:
    draws = Order(Tables(len(reader.train), seed=0, columns=("view",)), 6).batch(1)
    images = reader.train.training_images(draws)
    assert (images.dtype, len(images), images.ndim) == (torch.uint8, 6, 4)
    third = {name: column[2:3] for name, column in draws.items()}
    assert torch.equal(images[2:3], reader.train.training_images(third))


def test_an_evaluation_reads_every_nth_image_as_it_is(reader: Reader[Images]) -> None:
    whole = reader.test.evaluation_images(range(len(reader.test)))
    assert torch.equal(reader.test.evaluation_images(range(1, 8, 3)), whole[[1, 4, 7]])
    assert whole.dtype == torch.uint8


def test_a_part_of_a_split_is_read_as_in_the_whole(reader: Reader[Images]) -> None:
    part = reader.test[torch.tensor([5, 2])]
    assert part.targets.tolist() == reader.test.targets[[5, 2]].tolist()
    whole = reader.test.evaluation_images(range(6))
    assert torch.equal(part.to("cpu").evaluation_images(range(2)), whole[[5, 2]])


def test_nothing_is_undecodable_where_nothing_is_decoded(
    reader: Reader[Images], capsys: pytest.CaptureFixture[str]
) -> None:
    reader.tell()
    assert (reader.undecodable, capsys.readouterr().err) == (0, "")
    assert len(reader.class_names) == int(reader.train.targets.max()) + 1


def test_a_normalisation_is_of_the_images_as_they_are_evaluated(reader: Reader[Images]) -> None:
    fitted = reader.fit("pixel_mean", reader.train)
    images = reader.train.evaluation_images(range(len(reader.train)))
    torch.testing.assert_close(fitted.mean, images.double().mean(0).div(255).float())
