"""What a run's precision means to torch, and where it computes.

32-true and tf32 differ in how GPUs multiply. The mixed ones keep weights in float32 and compute
convolutions and linear layers in 16 bits: bfloat16 reaches as far as float32; float16, which older
GPUs have too, does not, so gradients are scaled (Micikevicius 2018, arXiv 1710.03740). In 64-true
everything is float64, from weights that are drawn in float32.
"""

from contextlib import AbstractContextManager

import torch

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""What they compute in."""


def set_precision(precision: str) -> None:
    """TF32 only where the run asks for it; no algorithm that is chosen by timing."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def default_device() -> torch.device:
    """A GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(precision: str, device: str) -> AbstractContextManager[None]:
    """The context in which a net computes on a kind of device outside of a Trainer."""
    return torch.autocast(device, MIXED.get(precision), enabled=precision in MIXED)
