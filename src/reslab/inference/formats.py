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
        "normalisation and class names; nothing in it can run",
    ),
    "torchvision": Format(".pth", "a state dict under torchvision's names, for torch.load (.pth)"),
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
