"""What the training rows train, and the usual pipeline's batches of it."""

import numpy as np
import pytest
import torch
from benchmarks.cases import CASES, Pictures, config_of, usual_loader

from reslab.data.sources import open_source


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_a_run(case: str) -> None:
    config = config_of(case, "bf16-mixed")
    assert config.precision == "bf16-mixed"
    assert config.recipe.batch_size == {"resnet18": 32}.get(case, 8 if "tiny" in case else 128)


def test_an_item_is_made_of_a_pil_image_and_its_class() -> None:
    split = open_source("digits").train
    pictures = Pictures(split, np.asarray)
    pixels, target = pictures[7]
    assert len(pictures) == len(split)
    assert np.array_equal(pixels, split.images[7, 0].numpy())
    assert target == split.targets[7]


def test_the_usual_batches_have_the_shape_of_ours() -> None:
    images, targets = next(iter(usual_loader(config_of("tiny"), 0, pinned=False)))
    assert (images.shape, images.dtype) == ((8, 1, 8, 8), torch.float32)
    assert (targets.shape, targets.dtype) == ((8,), torch.int64)
