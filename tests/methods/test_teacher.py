"""A teacher stays as it is, and sees what its student sees as its own images were."""

import pytest
import torch

from reslab.config.losses import Loss
from reslab.data.normalize import Normalization
from reslab.errors import UserError
from reslab.methods.teacher import Teacher
from reslab.models.nets import build

OURS = Normalization.given([0.5, 0.4, 0.3], [0.25, 0.2, 0.1])
THEIRS = Normalization.given([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
PIXELS = torch.randint(256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def teacher(normalization: Normalization = THEIRS) -> Teacher:
    torch.manual_seed(0)
    return Teacher(build("resnet20").double(), normalization)


def test_it_sees_the_images_of_its_student_in_its_own_normalisation() -> None:
    made = teacher().beside(OURS, torch.zeros(1))
    own = THEIRS(PIXELS.to(torch.uint8), torch.float64)
    found = made.outputs(Loss(name="kd"), OURS(PIXELS.to(torch.uint8), torch.float64))
    torch.testing.assert_close(found.logits, made.net(own), rtol=1e-6, atol=1e-6)


def test_images_that_are_normalised_alike_are_its_own_bit_for_bit() -> None:
    made = teacher().beside(THEIRS, torch.zeros(1))
    own = THEIRS(PIXELS.to(torch.uint8), torch.float64)
    assert torch.equal(made.outputs(Loss(name="kd"), own).logits, made.net(own))
    assert made.scale is None


def test_it_is_in_evaluation_mode_without_gradients_and_nothing_of_it_moves() -> None:
    made = teacher().beside(OURS, torch.zeros(1))
    before = {name: value.clone() for name, value in made.net.state_dict().items()}
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    found = made.outputs(Loss(name="at"), images)
    assert not any(p.requires_grad for p in made.net.parameters())
    assert not any(module.training for module in made.net.modules())
    assert not found.logits.requires_grad
    assert not any(output.requires_grad for output in found.stages.values())
    assert all(torch.equal(before[k], value) for k, value in made.net.state_dict().items())


@pytest.mark.parametrize("whose", ["its", "the run's"])
def test_a_normalisation_that_is_not_affine_per_channel_is_refused(whose: str) -> None:
    mean_image = Normalization("pixel_mean", torch.rand(3, 32, 32), torch.ones(1, 1, 1))
    own, students = (mean_image, OURS) if whose == "its" else (THEIRS, mean_image)
    with pytest.raises(
        UserError, match=f"{whose} normalisation, pixel_mean, is no scale and shift"
    ):
        teacher(own).beside(students, torch.zeros(1))
