"""Words for views of a test image."""

import pytest

from reslab.config.views import called, center_sides, views_from
from reslab.errors import UserError


def test_a_centre_crop_of_another_size_says_its_sides() -> None:
    assert center_sides("center_320") == (320, 320)
    assert center_sides("center_288_of_320") == (288, 320)
    for other in ("center", "ten_crop", "multi_scale", "center_", "center_0", "center_x", "320"):
        assert center_sides(other) is None


@pytest.mark.parametrize("word", ["center_320_of_256", "center_9999", "center_1_of_2049"])
def test_a_crop_larger_than_its_image_and_one_larger_than_memory_are_refused(word: str) -> None:
    with pytest.raises(UserError, match=f"--views: {word}: expected a crop no larger than"):
        views_from(word)


@pytest.mark.parametrize("word", ["", "center_", "320", "centre", "center_1e3", "center_99999"])
def test_other_words_are_told_with_those_that_there_are(word: str) -> None:
    with pytest.raises(UserError, match=f"--views: got '{word}'; expected center, ten_crop, mult"):
        views_from(word)


def test_tables_have_their_own_words() -> None:
    words = ("ten_crop", "multi_scale", "center_320", "center_288_of_320")
    names = ["10-crop", "multi-scale", "320-pixel", "288-of-320-pixel"]
    assert [called(views_from(word)) for word in words] == names
