"""Cards: what their data sheets say, and how much of it a training is taken to reach.

Peaks are dense (a data sheet's numbers "with sparsity" are twice these). What a net reaches of them
is measured of none of ours: it is an assumption, which runs that have finished on such a card
correct (`estimate.correction`).
"""

from dataclasses import dataclass

from reslab.errors import UserError, listed
from reslab.text import quoted


@dataclass(frozen=True)
class Card:
    """A GPU. Peaks in TFLOP/s, of which a multiply-add is two; memory in 10⁹ bytes.

    A precision for which it has no units of their own is computed by those of float32.
    """

    called: str
    """What is in the name that its driver gives it: `NVIDIA H100 80GB HBM3`."""
    memory: float
    fp64: float
    fp32: float
    tf32: float
    bf16: float
    fp16: float
    source: str


_NVIDIA = "https://www.nvidia.com/en-us/data-center"
CARDS = {
    "h200": Card("H200", 141, 34, 67, 494.5, 989.5, 989.5, f"{_NVIDIA}/h200/"),
    "h100-pcie": Card("H100 PCIe", 80, 26, 51, 378, 756, 756, "NVIDIA H100 data sheet, PCIe"),
    "h100": Card("H100", 80, 34, 67, 494.5, 989.5, 989.5, f"{_NVIDIA}/h100/"),
    "a100": Card("A100", 40, 9.7, 19.5, 156, 312, 312, f"{_NVIDIA}/a100/"),
    "l40s": Card("L40S", 48, 1.4, 91.6, 183, 362, 362, f"{_NVIDIA}/l40s/"),
    "l4": Card("L4", 24, 0.5, 30.3, 60, 121, 121, f"{_NVIDIA}/l4/"),
    "a10": Card("A10", 24, 0.5, 31.2, 62.5, 125, 125, f"{_NVIDIA}/products/a10-gpu/"),
    "v100": Card("V100", 16, 7.8, 15.7, 15.7, 15.7, 125, f"{_NVIDIA}/v100/"),
    "t4": Card("T4", 16, 0.25, 8.1, 8.1, 8.1, 65, f"{_NVIDIA}/tesla-t4/"),
    "rtx4090": Card("RTX 4090", 24, 1.3, 82.6, 82.6, 165.2, 165.2, "NVIDIA Ada whitepaper"),
    "rtx3090": Card("RTX 3090", 24, 0.56, 35.6, 35.6, 71, 71, "NVIDIA Ampere GA102 whitepaper"),
}
"""By the word that CARD takes. The driver's name is looked for from top to bottom."""

PEAK = {
    "32-true": "fp32",
    "tf32": "tf32",
    "bf16-mixed": "bf16",
    "16-mixed": "fp16",
    "64-true": "fp64",
}
"""Which of a card's peaks a run's precision has."""

REACHED = {"fp64": 0.4, "fp32": 0.4, "tf32": 0.1, "bf16": 0.1, "fp16": 0.1}
"""What part of a peak a training is taken to reach. ResNet-50 on ImageNet reaches 0.57 of float32's
on a V100 (367 images/s), 0.15 of TF32's and 0.19 of 16 bits' on an A100 (938 and 2,470 images/s;
NVIDIA DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5, 3 × 4.1·10⁹ multiply-adds
an image); nets for small images have fewer channels, and are taken to reach less."""


def card_named(word: str) -> Card:
    """The row of CARD=word; `UserError` where there is none."""
    if word.lower() not in CARDS:
        raise UserError(f"CARD={quoted(word)}: expected {listed(CARDS, len(CARDS))}")
    return CARDS[word.lower()]


def card_called(name: str) -> Card | None:
    """The row of a card by the name that its driver gives it, None where there is none, for a part
    of a card (MIG) and for one that only shares its name (Laptop GPU)."""
    words = f" {name} ".replace("-", " ")
    if " MIG " in words or " Laptop " in words:
        return None
    return next((card for card in CARDS.values() if f" {card.called} " in words), None)


def same_card(one: str, other: str) -> bool:
    """Whether two names are of the same card: equal, or of one row of the table."""
    return one == other or None is not card_called(one) == card_called(other)


def rate(card: Card, precision: str) -> float:
    """Multiply-adds per second that it is taken to do in a run of this precision."""
    peak = PEAK[precision]
    return float(getattr(card, peak)) * REACHED[peak] * 1e12 / 2
