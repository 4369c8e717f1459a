"""Which part of a net trains: the words of `RunConfig.trains`.

Words add up. A stage is what a net's family calls so: stem, layer1 …, of dense nets block1 …; head
is the last layer, the one that puts out logits. What stands between two stages, or behind the last
(a transition, a closing norm), belongs to the stage before it, as timm's matcher of groups has it.
What an adapter adds is the word adapter's alone. methods/trains.py says which parameters a word is
about.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from reslab.config.nets import DenseNet, Described, Foreign, Opaque, PythonNet, ResNet
from reslab.errors import did_you_mean
from reslab.text import quoted

ALL = ("all",)
GENERAL = ("all", "head", "norms", "biases", "adapter")
"""Words that every net knows; the others are its stages."""

STAGE = re.compile(r"stem|layer[1-9]\d*")


def _listed(value: Any) -> Any:
    """One word is short for a list of it."""
    return [value] if isinstance(value, str) else value


def _sorted(words: tuple[str, ...]) -> tuple[str, ...]:
    """Each word once, sorted, so that two spellings are one run."""
    if not words:
        raise ValueError("nothing would train; expected at least one word")
    if "all" in words and set(words) != {"all"}:
        others = ", ".join(sorted(set(words) - {"all"}))
        raise ValueError(f"got all beside {others}; all stands alone")
    return tuple(sorted(set(words)))


Trains = Annotated[
    tuple[str, ...],
    Field(strict=False),  # `_listed` hands over a list
    BeforeValidator(_listed),
    AfterValidator(_sorted),
]


STAGES: dict[type, str] = {ResNet: "layer", DenseNet: "block"}
"""What a family calls what follows its stem, and counts from 1: torchvision's names. A dense net's
transition belongs to the block before it. Of nets that are not ours nothing is known before they
are built."""


def stages(net: Described) -> tuple[str, ...]:
    """The words for a net's stages, in the order in which images run through them; none where they
    are not known before the net is built."""
    if isinstance(net, Opaque):
        return ()
    return "stem", *(f"{STAGES[type(net)]}{stage + 1}" for stage in range(len(net.units)))


def has_stages(net: Described) -> bool:
    """Whether anybody says what the net's stages are: of nets that are not ours timm does."""
    return not isinstance(net, Opaque) or (isinstance(net, Foreign) and net.library == "timm")


def stages_with_training_norms(net: Described, words: tuple[str, ...]) -> frozenset[str]:
    """The stages of a net of ours whose norms are in training mode: scales or biases train."""
    everywhere = {"all", "norms", "biases"}.intersection(words)
    return frozenset(stages(net) if everywhere else set(words).intersection(stages(net)))


def does_not_train(words: tuple[str, ...], net: Described, adapted: bool) -> str | None:
    """Why these words mean nothing in a net, `adapted` or not; None if they do.

    Of timm's nets only the form of a stage's name is looked at: how many there are is told when the
    net is built.
    """
    if "adapter" in words and not adapted:
        return "adapter: there is none; say which (adapter: {name: …}), or leave the word out"
    if "norms" in words and getattr(net, "norm", None) == "none":
        return "norms: the net has none (model.norm: none); its biases are the word biases"
    known = (*GENERAL, *stages(net), "head")
    for word in words:
        if word in known or (has_stages(net) and not stages(net) and STAGE.fullmatch(word)):
            continue
        return unknown(word, net, stages(net))
    if stages(net) and {"head", *stages(net)} <= set(words):
        return f"{', '.join(words)} are the whole net; write trains: all"
    return None


NO_STAGES: dict[type, str] = {
    Foreign: "; torchvision does not say what the stages of its nets are, timm does",
    PythonNet: "; of a net of one's own nobody says what its stages are",
}
"""Why a word for a stage is about nothing in a net without any."""


def unknown(word: str, net: Described, found: tuple[str, ...]) -> str:
    """What is told of a word that a net with these stages does not know."""
    known = list(dict.fromkeys((*GENERAL, *found)))
    hint = did_you_mean(word, known)
    if not has_stages(net):
        hint = NO_STAGES[type(net)]
    elif not found:
        known += ["stem", "layer1", "…"]
    return f"the net has no {quoted(word)}{hint}; expected {', '.join(known)}"
