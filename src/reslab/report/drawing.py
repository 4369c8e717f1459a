"""A net's unit as text, downwards, as papers draw it."""

from reslab.config.convolutions import BRANCHES
from reslab.config.nets import DenseNet, ResNet
from reslab.config.spelling import Word, word
from reslab.config.zoo import describe
from reslab.errors import UserError

LETTERS = {
    "c": "conv", "n": "norm", "a": "activation", "d": "dropout", "b": "scalar bias",
    "m": "3×3 max-pooling", "e": "squeeze-excitation", "s": "learned scale",
    "p": "stochastic depth",
}  # fmt: skip


def as_drawing(name: str) -> str:
    """A unit whose shape stays, downwards, its shortcut on the right, as in He 2016, Fig. 4."""
    net = describe(name)
    match net:
        case ResNet():
            written, kernels = word(net, net.convolutions(0)), _kernels(net)
            join = None if net.shortcut == "none" else f"shortcut {net.shortcut}"
            if net.shortcut != "C" or net.projection_reads == "x":  # the identity reads x itself
                written = Word("", f"{written.before} {written.branch}", written.after)
            return _drawn(written, _layer_names(net), kernels, "addition", join)
        case DenseNet():
            letters = ["n", "a", "c"] * (1 + net.bottleneck)
            kernels = ["1×1", "3×3"][1 - net.bottleneck :]
            written = Word("", " ".join(letters), "")
            return _drawn(written, _layer_names(net), kernels, "concatenation", "identity")
    raise UserError(f"{name} is not built of units that can be drawn; see --layers")


def _kernels(net: ResNet) -> list[str]:
    """The convolutions of a branch in the first stage."""
    layers = BRANCHES[net.branch](net, (0, 0), net.outputs[1], 1)
    return [
        f"{first.kernel}×{first.kernel}{_grouped(first.groups, separable=bool(others))}"
        for first, *others in layers
    ]


def _grouped(groups: int, separable: bool) -> str:
    return " separable" if separable else f" in {groups} groups" if groups > 1 else ""


def _layer_names(net: ResNet | DenseNet) -> dict[str, str]:
    """What the letters of a word mean in this net."""
    norm = "bias per channel" if net.norm == "none" else f"{net.norm} norm"
    return LETTERS | {"n": norm, "a": net.activation}


def _drawn(
    written: Word, names: dict[str, str], kernels: list[str], joins: str, shortcut: str | None
) -> str:
    convolutions = iter(kernels)
    before, branch, after = (
        [
            f"conv {next(convolutions)}" if letter == "c" else names[letter]
            for letter in part.split()
        ]
        for part in written
    )
    if shortcut is not None:
        width = max(map(len, [*branch, f"{joins} ◀"])) + 3
        lines = [line.ljust(width) + "│" for line in branch]
        fork, end = "├".ljust(width, "─") + "┐", f"{joins} ◀".ljust(width, "─") + "┘"
        branch = [fork, *lines, f"{end}  {shortcut}"]
    return "\n".join(["x", *before, *branch, *after, "y"])
