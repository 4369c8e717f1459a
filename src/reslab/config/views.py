"""Views of a test image, by their words: what a net sees of a photograph when it is tested.

center_320 is the centre crop of 320 pixels from the image whose shorter side is 320, whatever the
net was trained on (He 2016, Sec. 5); center_288_of_320 is one of 288 pixels from such an image. The
other words are in `reslab.data.photographs.views`, which makes them, and `reslab.papers`, which
needs them.
"""

import re

from reslab.errors import UserError, located
from reslab.text import quoted

WORDS = {
    "center": "the centre crop, as in the run's own result",
    "ten_crop": "corners and centre, and their mirror images (Krizhevsky 2012)",
    "multi_scale": "the whole image and its mirror image in five sizes (He 2015)",
}
HELP = {
    **WORDS,
    "center_320": "the centre crop of 320 pixels of the image whose shorter side is 320 (He 2016), "
    "or of any other number; center_288_of_320 is a smaller crop of such an image",
}
CENTER = r"center_([1-9]\d{0,3})(?:_of_([1-9]\d{0,3}))?"
LARGEST = 2048
"""Pixels a side: the largest images that nets are tested on, four times over."""


def center_sides(views: str) -> tuple[int, int] | None:
    """The side of the crop and the shorter side of the image that it is taken from, in pixels, of a
    word such as center_320; None for the other words."""
    found = re.fullmatch(CENTER, views)
    if found is None:
        return None
    size, shorter_side = int(found[1]), int(found[2] or found[1])
    if not size <= shorter_side <= LARGEST:
        raise UserError(
            f"{views}: expected a crop no larger than the image, of at most {LARGEST:,} pixels"
        )
    return size, shorter_side


def views_from(word: str) -> str:
    """A word of views from the command line; `UserError` for any other."""
    with located("--views"):
        if word in WORDS or center_sides(word):
            return word
        raise UserError(
            f"got {quoted(word)}; expected {', '.join(WORDS)}, or center_ and a number of pixels, "
            "such as center_320"
        )


def called(views: str) -> str:
    """How a table calls a test on views: `10-crop`, `multi-scale`, `320-pixel`."""
    sides = center_sides(views)
    if sides is None:
        return {"ten_crop": "10-crop", "multi_scale": "multi-scale"}[views]
    size, shorter_side = sides
    return f"{size}-pixel" if size == shorter_side else f"{size}-of-{shorter_side}-pixel"
