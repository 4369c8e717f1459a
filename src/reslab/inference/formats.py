"""The formats of a net for elsewhere, as scripts/export.py lists them; no torch, so that it does at
once. `reslab.inference.export` writes and reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """How the names of its files end, and what it is good for."""

    suffix: str
    text: str
    needs: tuple[str, ...] = ()
    """Packages of the extra `export`."""


FORMATS = {
    "safetensors": Format(
        ".safetensors",
        "for reslab.load, scripts/evaluate.py and scripts/predict.py: weights, description, "
        "normalisation and class names; nothing in it can run (of a net of one's own the code, "
        "which is run, lies beside it)",
    ),
    "torchvision": Format(
        ".pth",
        "a state dict for torch.load (.pth): of our nets under torchvision's names, of timm's and "
        "of one's own under theirs",
    ),
    "onnx": Format(
        ".onnx",
        "the computation, for ONNX Runtime and others; needs pip install 'reslab[export]'",
        needs=("onnx", "onnxscript", "onnxruntime"),
    ),
    "torch_export": Format(
        ".pt2",
        "the computation, for torch.export.load (.pt2), which unpickles: trust its source",
    ),
}
