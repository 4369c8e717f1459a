#!/usr/bin/env python
"""Write a trained net as a file for elsewhere, verified by equal outputs after it was read back.

  export.py runs/quickstart/residual-20-s0-… --to safetensors residual-20.safetensors
  export.py residual-20.safetensors --to onnx residual-20.onnx
  export.py resnet50.pth --to onnx resnet50.onnx --model resnet50 --normalization imagenet

All take images (N, C, H, W) normalised as in training. onnx and torch_export hold the size of the
images, not their number; how to normalise and the classes' names are `reslab` in their metadata, as
JSON.
"""

import sys
from pathlib import Path

from reslab.arguments import Parser, explained
from reslab.errors import exit_code
from reslab.inference.formats import FORMATS
from reslab.weights.given import add_options, given


def main() -> int:
    """Parse the arguments and export."""
    parser = Parser(
        description=__doc__,
        epilog="formats:\n" + explained({word: row.text for word, row in FORMATS.items()}),
    )
    parser.add_argument("weights", type=Path, help="a run's folder, a file, or a name")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format")
    parser.add_argument("file", type=Path, help="what to write; an old file is replaced")
    parser.add_argument(
        "--keep-adapters",
        action="store_true",
        help="leave adapters beside the weights; without it they become part of them",
    )
    add_options(parser)
    arguments = parser.parse_args()
    from reslab.inference.export import export

    difference = export(
        arguments.weights,
        arguments.to,
        arguments.file,
        given(arguments),
        arguments.keep_adapters,
    )
    print(
        f"wrote {arguments.file}, {arguments.file.stat().st_size / 1e6:,.1f} MB; read back, its "
        f"logits differ from the net's by at most {difference:.0e} of the largest"
    )
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
