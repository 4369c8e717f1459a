#!/usr/bin/env python
"""Classes and probabilities of images, by a trained net.

  predict.py photo.jpg --weights runs/imagenette/resnet-18-s0-…
  predict.py my_photos '*.png' --weights resnet18.safetensors --top 3 --csv > seen.csv
  predict.py photo.jpg --weights resnet50.pth --model resnet50 --normalization imagenet
  predict.py my_photos --weights RUN --explain looked_at      where the net looks: Grad-CAM

Images are JPEG, PNG, WebP, GIF, BMP or TIFF of any size: they are resized, cropped, made grey where
the net wants it, and normalised as its weights say. Those that cannot be decoded are listed, and
the exit code is then 1, or 2 where that is all of them.
"""

import sys
from pathlib import Path

from reslab.arguments import Parser, whole
from reslab.errors import exit_code
from reslab.weights.given import add_options, given


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders, globs")
    top.add_argument(
        "--weights",
        required=True,
        type=Path,
        help="a run's folder, a file of weights, or a name",
    )
    top.add_argument(
        "--top", type=whole("--top"), default=5, metavar="N", help="classes per image (5)"
    )
    top.add_argument(
        "--explain",
        type=Path,
        metavar="FOLDER",
        help="write there, as NAME.png beside what the net sees, where it finds the most probable "
        "class (Grad-CAM of the last stage); takes about three times as long",
    )
    forms = top.add_mutually_exclusive_group()
    for form in ("json", "csv"):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form)
    top.set_defaults(form="table")
    add_options(top)
    return top


def main() -> int:
    """Parse the arguments and predict."""
    arguments = parser().parse_args()
    from reslab.inference.predict import predict

    seen = predict(
        arguments.images, arguments.weights, arguments.top, given(arguments), arguments.explain
    )
    return seen.tell(arguments.form)


if __name__ == "__main__":
    sys.exit(exit_code(main))
