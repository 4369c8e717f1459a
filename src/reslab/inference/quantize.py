"""A trained net in 8-bit integers: weights and what goes into convolutions and linear layers.

Post-training quantisation of the exported net (PT2E, torchao), for x86 processors: uint8 for what
goes in, a scale for each tensor; int8 for weights, a scale for each output channel; norms become
part of convolutions. The scales of what goes in are found on training images, not augmented. A
processor without VNNI adds products of 8 bits in 16, which 8 × 8 bits overflow: there what goes in
has 7 bits (`reduce_range`). Compiled, the graph computes in integers; as it is, it computes the
same numbers in floating point.
"""

import platform
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from reslab.data.modules import ImageData
from reslab.data.readers import spread
from reslab.errors import UserError, first_line
from reslab.inference.latency import quiet

IMAGES = 256
"""Training images that the scales are found on."""
X86 = {"x86_64", "amd64", "i386", "i686"}
AT_ONCE = 32


class Quantized(NamedTuple):
    """A net in int8."""

    graph: fx.GraphModule
    """From float32 images (N, C, H, W) to logits, for any N."""
    bytes: int
    reduce_range: bool

    def as_dict(self) -> dict[str, Any]:
        """What it was made with, for JSON."""
        return {"torchao": version("torchao"), "reduce_range": self.reduce_range}


def obstacle_to_int8() -> str | None:
    """Why nothing can be quantised here; None where it can."""
    if platform.machine().lower() not in X86:
        return f"int8 is for x86 processors; this one is {platform.machine()}"
    if find_spec("torchao") is None:
        return (
            "int8 needs torchao, which is not installed: pip install 'reslab[quantize]', in a "
            "checkout '.[quantize]'"
        )
    return None


def calibration_images(data: ImageData) -> Tensor:
    """`IMAGES` training images, evenly spread over the split, float32 (N, C, H, W), as the net
    takes them in an evaluation: classes and files that lie together are all met."""
    chosen = spread(data.train, IMAGES)
    return torch.cat([images for images, _ in data.evaluation(chosen)])


@torch.no_grad()
def quantize(net: nn.Module, images: Tensor) -> Quantized:
    """A float32 net in evaluation mode in int8, its scales found on images (N, C, H, W).

    `UserError` where this machine cannot, and for a net that torch cannot export.
    """
    if why := obstacle_to_int8():
        raise UserError(why)
    reduce_range = not torch.cpu._is_vnni_supported()
    with quiet():
        graph = _converted(_exported(net, images), images, reduce_range)
    return Quantized(graph, bytes_read(graph), reduce_range)


def _exported(net: nn.Module, images: Tensor) -> nn.Module:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    try:
        return torch.export.export(net, (images[:3],), dynamic_shapes=dynamic).module()
    except RuntimeError as error:
        told = f"torch cannot export the net, so there is no int8: {first_line(error)}"
        raise UserError(told) from None


def _converted(graph: Any, images: Tensor, reduce_range: bool) -> fx.GraphModule:
    """Observers put in, fed and replaced by what they have found."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(
        x86.get_default_x86_inductor_quantization_config(reduce_range=reduce_range)
    )
    observed = prepare_pt2e(graph, quantizer)
    for part in torch.split(images, AT_ONCE):
        observed(part)
    converted: fx.GraphModule = convert_pt2e(observed)
    return converted


def bytes_of(net: nn.Module) -> int:
    """Of parameters and buffers."""
    return sum(tensor.nbytes for tensor in net.state_dict().values())


def bytes_read(graph: fx.GraphModule) -> int:
    """Of the tensors that a graph reads: the float weights that int8 ones were made of may still
    lie beside them."""
    read = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    tensors = graph.state_dict()
    return sum(tensors[name].nbytes for name in read if name in tensors)
