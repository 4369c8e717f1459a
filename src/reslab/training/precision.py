"""What a run's precision means to torch and to Lightning.

32-true and tf32 differ in how GPUs multiply. The mixed ones keep weights in float32 and compute
convolutions and linear layers in 16 bits: bfloat16 reaches as far as float32; float16, which older
GPUs have too, does not, so gradients are scaled (Micikevicius 2018, arXiv 1710.03740). In 64-true
everything is float64, from weights that are drawn in float32.
"""

from contextlib import AbstractContextManager

import torch
from lightning.pytorch.plugins.precision import DoublePrecision, MixedPrecision, Precision

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""What they compute in."""


def set_precision(precision: str) -> None:
    """TF32 only where the run asks for it; no algorithm that is chosen by timing."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def autocast(precision: str, device: str) -> AbstractContextManager[None]:
    """The context in which a net computes on a kind of device outside of a Trainer."""
    return torch.autocast(device, MIXED.get(precision), enabled=precision in MIXED)


def precision_plugin(precision: str, device: str) -> Precision:
    """Lightning's part on a kind of device; a Trainer asked by name takes bfloat16 for float16 on a
    CPU.

    16-mixed comes with torch's GradScaler, whose state is in every checkpoint. A step of which the
    scaled gradients are not finite leaves the weights as they are, halves the scale, and counts.
    """
    if precision == "16-mixed":
        return MixedPrecision("16-mixed", device, torch.amp.GradScaler(device))
    if precision == "bf16-mixed":
        return MixedPrecision("bf16-mixed", device)
    return DoublePrecision() if precision == "64-true" else Precision()
