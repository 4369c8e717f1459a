"""List the named nets with their costs and the papers' counts."""

import sys

from reslab.arguments import Parser
from reslab.errors import exit_code
from reslab.report.models import show

HELP = """\
Lists the nets that have a name, with parameters, multiply-adds (convolutions and linear layers,
one image of the size shown), the paper that each is from, and the counts that were printed and by
whom. Any of these names can stand in `make train MODEL=…`, in an experiment's YAML
(`model: resnet20`), and in `reslab.build("…")`.

  python scripts/models.py                    all of them
  python scripts/models.py resnet56           one
  python scripts/models.py plain              all whose name contains "plain"
  python scripts/models.py 'resnet*_w8'       a glob
  python scripts/models.py plain --json       a list of objects: name, params, multiply_adds,
                                              image_size, source, published
  python scripts/models.py resnet20 --layers  one net as a table of layers (any: timm:…, python:…)
  python scripts/models.py resnet20 --draw    one of its units, as papers draw it
"""

FORMS = {
    "json": "print JSON instead of a table",
    "check": "count with torch too; exit with 1 where that differs from the sum over the words",
    "layers": "one net as a table of layers with output shapes, parameters, multiply-adds",
    "draw": "one unit of a net from top to bottom",
}


def main() -> int:
    parser = Parser(description=HELP)
    parser.add_argument("pattern", nargs="?", default="*", help="a name, a part of one, or a glob")
    forms = parser.add_mutually_exclusive_group()
    for form, text in FORMS.items():
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=text)
    parser.set_defaults(form="table")
    arguments = parser.parse_args()
    return show(arguments.pattern, arguments.form)


if __name__ == "__main__":
    sys.exit(exit_code(main))
