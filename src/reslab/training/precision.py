"""What a run's precision means to Lightning; to torch: models/precision.py."""

from contextlib import nullcontext

import torch
from lightning.pytorch.plugins.precision import DoublePrecision, MixedPrecision, Precision


def precision_plugin(precision: str, device: str) -> Precision:
    """Lightning's part on a kind of device; a Trainer asked by name takes bfloat16 for float16 on a
    CPU.

    16-mixed comes with torch's GradScaler, whose state is in every checkpoint. A step of which the
    scaled gradients are not finite leaves the weights as they are, halves the scale, and counts.
    """
    plugin = _plugin(precision, device)
    # A step is more than a forward pass, which alone is in its context (`TrainingStep`).
    plugin.train_step_context = nullcontext  # type: ignore[method-assign,assignment]
    return plugin


def _plugin(precision: str, device: str) -> Precision:
    if precision == "16-mixed":
        return MixedPrecision("16-mixed", device, torch.amp.GradScaler(device))
    if precision == "bf16-mixed":
        return MixedPrecision("bf16-mixed", device)
    return DoublePrecision() if precision == "64-true" else Precision()
