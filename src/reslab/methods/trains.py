"""What of a net trains: `freeze` switches the gradients of the rest off, by the words of
`RunConfig.trains`.

Freezing is a property of the built net, final before processes share it: nothing of it changes
while a run trains. Biases alone: Ben Zaken et al. 2022 (arXiv 2106.10199); norms alone: Frankle et
al. 2021 (arXiv 2003.00152).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from reslab.config.nets import Described
from reslab.config.trains import ALL, unknown
from reslab.errors import UserError
from reslab.methods.adapters import is_adapter_parameter
from reslab.methods.stages import stage_of_each
from reslab.text import counted

Words = tuple[str, ...]


def is_norm(module: nn.Module) -> bool:
    """Whether a module, not one inside it, normalises: torch's, timm's and others' are called so.

    Norms of weights (torch's parametrisations) begin with an underscore.
    """
    name = type(module).__name__
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return "Norm" in name and not name.startswith("_") and bool(own)


def is_about(word: str, name: str, stage: str, module: nn.Module) -> bool:
    """Whether a word is about a parameter, by its name, its net's stage and its module.

    What an adapter has added is what the word adapter is about, and no other but all.
    """
    if word == "all" or is_adapter_parameter(name):
        return word in ("all", "adapter")
    return KINDS[word](module, name) if word in KINDS else word == stage


KINDS: dict[str, Callable[[nn.Module, str], bool]] = {
    "norms": lambda module, name: is_norm(module),
    "biases": lambda module, name: name.endswith("bias"),
}
"""Words for parameters anywhere in a net, by their module and name; the others are for places."""


def freeze(net: nn.Module, described: Described, words: Words) -> None:
    """Switch off the gradients of all that these words are not about, and put its norms into
    evaluation mode; the net is adapted already, if it is to be.

    What has no gradient from the start keeps none. `UserError` for a word that is about nothing.
    """
    if words == ALL:
        return
    trained = parameters_by_word(net, described, words)
    for word, names in trained.items():
        if not names:
            raise UserError(_about_nothing(word, net, described))
    chosen = set().union(*trained.values())
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name in chosen)
    rest(net)


def parameters_by_word(net: nn.Module, described: Described, words: Words) -> dict[str, set[str]]:
    """The names of the parameters that each word is about."""
    found = {word: set[str]() for word in words}
    for name, stage in stage_of_each(net, described).items():
        module = net.get_submodule(name.rpartition(".")[0])
        for word in words:
            if is_about(word, name, stage, module):
                found[word].add(name)
    return found


def _about_nothing(word: str, net: nn.Module, described: Described) -> str:
    if word in (*KINDS, "adapter"):
        return f"trains: {word}: the net has none"
    if word == "head":
        return (
            f"trains: head: no layer is found that puts out the logits of {described.classes:,} "
            "classes: what get_classifier returns, else fc, else the last linear layer, else the "
            "last convolution"
        )
    stages = dict.fromkeys(stage_of_each(net, described).values())
    return f"trains: {unknown(word, described, tuple(stages))}"


def rest(net: nn.Module) -> None:
    """Put norms of which neither scale nor bias trains into evaluation mode: they normalise by
    their running statistics, which stay. What is inside them (an activation, dropout) keeps its
    mode."""
    for module in net.modules():
        if is_norm(module) and not any(p.requires_grad for p in module.parameters(recurse=False)):
            module.training = False


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """A net in evaluation mode; afterwards each of its parts is in the mode that it was in."""
    modes = {part: part.training for part in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def trainable(net: nn.Module) -> int:
    """How many numbers train."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def what_trains(net: nn.Module, words: Words) -> str:
    """What trains, in a line."""
    params = sum(p.numel() for p in net.parameters())
    return f"trains {', '.join(words)}: {trainable(net):,} of {counted(params, 'parameter')}"
