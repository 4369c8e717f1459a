"""What a net computes on its way to the logits: the outputs of its stages.

Our nets are Sequentials, so these are partial results. Those of timm are followed by torchvision's
tracer of feature extraction, once for each mode, and its modules are shared; who is to say what the
stages of another net are is told in methods/stages.py.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx, nn

from reslab.errors import UserError, first_line
from reslab.methods.stages import timm_groups
from reslab.weights.head import head_of


class Outputs(NamedTuple):
    """What a net puts out on images (N, C, H, W)."""

    stages: dict[str, Tensor]
    """(N, C, H, W) of each stage in order: stem, layer1 … (of dense nets block1 …). What stands
    behind a stage (a transition, a closing norm) is not in it."""
    features: Tensor
    """(N, D): what the last layer reads."""
    logits: Tensor
    """(N, classes)."""


def outputs(net: nn.Module, images: Tensor) -> Outputs:
    """What a net puts out; `UserError` for one of which nobody says what its stages are."""
    images = _read(net, images)
    if is_ours(net):
        return _partial_results(net, images)
    found = Outputs(*_followed(net)(images))
    shapeless = [name for name, output in found.stages.items() if output.dim() != 4]
    if shapeless:
        raise UserError(f"{_name(net)}: {shapeless[0]} puts out no images; {NO_STAGES}")
    return found


def in_full(tensor: Tensor) -> Tensor:
    """What layers computed in 16 bits, in 32: differences and exponentials need them."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


STAGE = re.compile(r"(?:layer|block)[1-9]\d*")
"""How our nets call their children that are stages (`config.trains.STAGES`)."""

NO_STAGES = "the outputs of stages are known of nets of ours, and of timm's convolutional ones"


def is_ours(net: nn.Module) -> bool:
    """Whether a net is a Sequential with stages, as our builders make them."""
    names = (name for name, _ in net.named_children())
    return isinstance(net, nn.Sequential) and any(map(STAGE.fullmatch, names))


def _read(net: nn.Module, images: Tensor) -> Tensor:
    """What a net's first layer reads of images: with a prompt, where one is added before it
    (`methods.adapters.prompt`)."""
    for hook in net._forward_pre_hooks.values():
        (images,) = hook(net, (images,))
    return images


def _partial_results(net: nn.Module, x: Tensor) -> Outputs:
    stages, before, features = dict[str, Tensor](), x, x
    for name, child in net.named_children():
        before, x = x, child(x)
        if STAGE.fullmatch(name):
            stages = stages or {"stem": before}
            stages[name] = x
        features = before
    return Outputs(stages, features, x)


# ---- of another library --------------------------------------------------------------------------

_followed_nets: WeakKeyDictionary[nn.Module, dict[bool, fx.GraphModule]] = WeakKeyDictionary()


def _followed(net: nn.Module) -> fx.GraphModule:
    """A module that shares the net's and computes its `Outputs`, as the net is in its mode."""
    of_modes = _followed_nets.setdefault(net, {})
    if net.training not in of_modes:
        of_modes[net.training] = _follow(net)
    return of_modes[net.training]


def _follow(net: nn.Module) -> fx.GraphModule:
    roots = _roots(net)
    graph, paths = _traced(net)
    nodes = [node for node in graph.nodes if node in paths]
    places = {
        stage: [i for i, node in enumerate(nodes) if _is_in(paths[node], root)]
        for stage, root in roots.items()
    }
    head = {name.rpartition(".")[0] for name in head_of(net)}
    last = [node for node in nodes if node.op == "call_module" and node.target in head]
    if len(last) != 1 or not all(places.values()) or places["layer1"][0] == 0:
        raise UserError(f"{_name(net)}: its stages are not found one after the other; {NO_STAGES}")
    stages = {stage: nodes[found[-1]] for stage, found in places.items()}
    before = {"stem": nodes[places["layer1"][0] - 1]}
    (result,) = (node for node in graph.nodes if node.op == "output")
    result.args = ((before | stages, last[0].args[0], result.args[0]),)
    return fx.GraphModule(net, graph)


def _traced(net: nn.Module) -> tuple[fx.Graph, Mapping[fx.Node, str]]:
    """What a net computes, each node with the path of the module in which it does."""
    from timm import layers  # takes seconds
    from torchvision import ops
    from torchvision.models.feature_extraction import NodePathTracer

    whole: Any = layers  # which of its modules and functions are not looked into
    tracer = NodePathTracer(
        autowrap_modules=(math, ops),
        autowrap_functions=tuple(whole.get_notrace_functions()),
        leaf_modules=list(whole.get_notrace_modules()),
    )
    try:
        return tracer.trace(net), tracer.node_to_qualname
    except Exception as error:
        raise UserError(f"torch.fx does not follow {_name(net)}: {first_line(error)}") from None


def _roots(net: nn.Module) -> dict[str, str]:
    """The module of each of timm's groups but the first, the stem, and the head's: the first that
    has parameters of no other group. `UserError` for a net without."""
    if not callable(getattr(net, "group_matcher", None)):
        raise UserError(f"{_name(net)}: nobody says what its stages are; {NO_STAGES}")
    if (form := getattr(net, "output_fmt", "NCHW")) != "NCHW":
        raise UserError(f"{_name(net)} puts out {form}; {NO_STAGES}")
    groups, head = timm_groups(net), head_of(net)
    beside = {0, *(groups[name] for name in head)}
    first = {group: name for name, group in reversed(groups.items()) if group not in beside}
    if not first:
        raise UserError(f"{_name(net)}: timm does not say what its stages are; {NO_STAGES}")
    return {
        f"layer{i}": _own_part(first[group], group, groups)
        for i, group in enumerate(sorted(first), 1)
    }


def _own_part(name: str, group: int, groups: Mapping[str, int]) -> str:
    """The largest module around a parameter that is its group's alone."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        path = ".".join(parts[:length])
        if {g for other, g in groups.items() if _is_in(other, path)} == {group}:
            return path
    return name.rpartition(".")[0]


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}.")


def _name(net: nn.Module) -> str:
    return type(net).__name__
