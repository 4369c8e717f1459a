"""What is said of weights on a command line, in one place for all scripts that take a file of them.

No torch here: a script answers --help at once.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from reslab.config.resolve import resolve_use
from reslab.config.strict_yaml import parse_assignment
from reslab.config.trees import Tree, merge
from reslab.config.use import Use
from reslab.errors import UserError, located


@dataclass(frozen=True)
class Given:
    """What takes the place of what a file of weights says, or leaves open."""

    model: str | None = None
    data: str | None = None
    normalization: str | None = None
    """A kind, or mean=…,std=…."""
    folder: str | None = None
    sets: tuple[str, ...] = ()
    """KEY=VALUE: a field of the net, of the data, or of how photographs are cropped."""
    key: str | None = None
    """The state dict in a file that has several."""

    @property
    def changes_use(self) -> bool:
        """Whether another net or other images are said."""
        return bool(self.model or self.data or self.folder or self.sets)

    def use(self, path: Path, known: Use | None) -> Use:
        """What the weights of a file are used with: what is known of them, and over it what is
        given. `UserError` where no net is."""
        if known and not self.changes_use:
            return known
        tree: Tree = known.model_dump(mode="json", exclude_defaults=True) if known else {}
        if "photographs" in tree:
            del tree["image_size"]  # it is photographs.size
        if self.model:
            tree = {**tree, "model": {"name": self.model}}
        tree = self._with_data(tree)
        for text in self.sets:
            with located("--set"):
                tree = merge(tree, parse_assignment(text))
        if not tree.get("model"):
            raise UserError(f"{path} does not say its model; add --model NAME (see make models)")
        return resolve_use(tree, "the command line")

    def _with_data(self, tree: Tree) -> Tree:
        name = self.data or ("imagefolder" if self.folder and "data" not in tree else None)
        if name:  # the inputs are those of the other data
            tree = {key: tree[key] for key in ("model", "precision", "adapter") if key in tree}
            tree["data"] = {"name": name}
        if self.folder:
            tree["data"] = {**tree["data"], "folder": self.folder}
            for found in ("files", "counts"):
                tree["data"].pop(found, None)
        return tree


NOTHING = Given()


def add_options(parser: ArgumentParser) -> None:
    """What every script that takes weights understands; `given` reads it."""
    told = parser.add_argument_group("what the weights are, where the file does not say it")
    told.add_argument(
        "--model", metavar="NAME", help="their net: make models; timm:NAME; python:FILE.py:NAME"
    )
    told.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a field: model.shortcut=B, data.test_fraction=0.2, photographs.size=192",
    )
    told.add_argument("--data", metavar="NAME", help="their data set, or another than the file's")
    told.add_argument("--folder", help="where photographs of your own lie (--data imagefolder)")
    told.add_argument(
        "--normalization",
        metavar="KIND",
        help="imagenet, none, channel, … (fitted on the data), or mean=0.5,0.5,0.5,std=0.2,0.2,0.2",
    )
    told.add_argument("--key", metavar="NAME", help="which of several state dicts: state_dict_ema")


def given(arguments: Namespace) -> Given:
    """What was said."""
    return Given(
        arguments.model,
        arguments.data,
        arguments.normalization,
        arguments.folder,
        tuple(arguments.set),
        arguments.key,
    )
