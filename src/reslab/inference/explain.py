"""What a net looks at: Grad-CAM on the outputs of its stages, laid over the images.

Selvaraju et al. 2017 (arXiv 1610.02391), Sec. 3, Eqn. 1 and 2.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reslab.methods.features import outputs

SIDE = 224
"""Pixels that an overlay has at least."""

SHARE = 0.5
"""Of an overlay that is colour; the rest is the image, in grey."""


def grad_cam(net: nn.Module, images: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """For each stage by its name how much each position of it speaks for a class, (N, h, w), ≥ 0.

    relu(Σ_k α_k A_k), A the stage's output, α_k the mean over positions of ∂logit/∂A_k. `images`
    (N, C, H, W) are normalised, `classes` (N,) are labels. The net is in evaluation mode; nothing
    of it changes, and nothing of it needs to train. `UserError` for a net without known stages.
    """
    with torch.enable_grad():
        stages, _, logits = outputs(net, images.detach().clone().requires_grad_())
        spoken = logits.gather(1, classes[:, None]).sum()  # images do not see each other
        gradients = torch.autograd.grad(spoken, [*stages.values()])
    return {
        name: (output.detach() * gradient.mean((2, 3), keepdim=True)).sum(1).relu()
        for (name, output), gradient in zip(stages.items(), gradients, strict=True)
    }


def overlay(image: Tensor, cam: Tensor) -> Tensor:
    """A map (h, w) over an image, uint8 (C, H, W) of one channel or three: uint8 (3, H', W').

    The map is stretched over the image, its highest value the brightest colour; all of a map that
    is nowhere above 0 is dark. Small images are enlarged, each pixel a square.
    """
    from matplotlib import colormaps

    image = enlarged(image)
    heat = interpolate(cam[None, None].float(), image.shape[1:], mode="bilinear")[0, 0]
    heat = heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)
    colour = torch.from_numpy(colormaps["inferno"](heat.cpu().numpy()))[..., :3].permute(2, 0, 1)
    grey = image.cpu().float().mean(0, keepdim=True) / 255
    return (255 * (SHARE * colour + (1 - SHARE) * grey)).round().to(torch.uint8)


def enlarged(image: Tensor) -> Tensor:
    """An image, uint8 (C, H, W), with each pixel a square of pixels: at least `SIDE` wide, in three
    channels."""
    times = -(-SIDE // image.shape[2])
    return image.expand(3, -1, -1).repeat_interleave(times, dim=1).repeat_interleave(times, dim=2)


def beside(image: Tensor, cam: Tensor) -> Tensor:
    """An image, and the map laid over it, from left to right: uint8 (3, H', 2 W')."""
    return torch.cat([enlarged(image).cpu(), overlay(image, cam)], dim=2)
