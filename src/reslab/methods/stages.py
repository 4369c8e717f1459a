"""The stages of a built net: of each parameter, which one it is in; the words of
`RunConfig.trains` for places.

Of our nets the children say it, of timm's its coarse matcher of groups, from which come the layer-
wise rates of BEiT (Bao et al. 2021, arXiv 2106.08254) too. torchvision says nothing of its nets,
and nobody of one's own: of these, all but the head is one part.
"""

from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

from torch import nn

from reslab.config.nets import DenseNet, Described, Foreign, PythonNet, ResNet
from reslab.config.trains import stages
from reslab.methods.adapters import PROMPT
from reslab.weights.head import head_of

TRUNK = "trunk"
"""All but the head, where nobody says what the stages are."""


def stage_of_each(net: nn.Module, described: Described) -> dict[str, str]:
    """The stage of each parameter by its name, in the order of `named_parameters`: stem, layer1 …,
    head."""
    return BY_FAMILY[getattr(described, "library", described.family)](net, described)


def depth_of_each(net: nn.Module, described: Described) -> dict[str, int]:
    """The depth of each parameter by its name, counted in stages from the head, whose own is 0: the
    last stage's is 1, the stem's the greatest."""
    stages = stage_of_each(net, described)
    numbers = {stage: _number(stage) for stage in stages.values() if stage != "head"}
    last = max(numbers.values(), default=0)
    depths = {stage: 1 + last - number for stage, number in numbers.items()}
    return {name: depths.get(stage, 0) for name, stage in stages.items()}


def _number(stage: str) -> int:
    """3 of layer3; 0 of the stem."""
    return int(stage.lstrip(ascii_lowercase) or 0)


def own_stages(net: nn.Module, described: ResNet | DenseNet) -> dict[str, str]:
    """By the net's children: what stands behind a stage, but for the head, is a part of it."""
    places, now = {"fc": "head"}, "stem"
    for child, _ in net.named_children():
        now = child if child in stages(described) else now
        places.setdefault(child, now)
    names = (name for name, _ in net.named_parameters())
    return {name: places.get(name.partition(".")[0], "stem") for name in names}


def timm_stages(net: nn.Module, described: Foreign) -> dict[str, str]:
    """timm's coarse groups: stem, layer1, …; the head is the classifier. What else stands with the
    classifier in the last group (a norm, a further convolution) is a part of the stage before."""
    groups = timm_groups(net)
    head = head_of(net)
    beside = {group for name, group in groups.items() if name in head}
    found = sorted(set(groups.values()) - beside)
    words = {group: f"layer{i}" if i else "stem" for i, group in enumerate(found)}
    last = next(reversed(words.values()), TRUNK)
    return {name: "head" if name in head else words.get(g, last) for name, g in groups.items()}


def timm_groups(net: nn.Module) -> dict[str, int]:
    """The number of each parameter's group; one group where timm knows none of the net."""
    from timm.models import group_parameters  # takes seconds, and few runs need it

    names = [name for name, _ in net.named_parameters()]
    try:
        matcher = net.group_matcher(coarse=True)  # type: ignore[operator]
    except (AttributeError, AssertionError):
        return dict.fromkeys(names, 0)
    numbers: dict[str, int] = group_parameters(net, matcher, reverse=True)
    # No group of timm's knows the prompt: it stands before the stem.
    return {name: 0 if name == PROMPT else numbers[name] for name in names}


def head_and_trunk(net: nn.Module, described: Foreign | PythonNet) -> dict[str, str]:
    """The head, if what seems to be it puts out logits, and the trunk."""
    head = {name: p for name, p in net.named_parameters() if name in head_of(net)}
    found = head if any(p.shape[:1] == (described.classes,) for p in head.values()) else {}
    return {name: "head" if name in found else TRUNK for name, _ in net.named_parameters()}


Stages = Callable[[nn.Module, Any], dict[str, str]]

BY_FAMILY: dict[str, Stages] = {
    "resnet": own_stages,
    "densenet": own_stages,
    "timm": timm_stages,
    "torchvision": head_and_trunk,
    "python": head_and_trunk,
}
"""Of our nets, and of other libraries'."""
