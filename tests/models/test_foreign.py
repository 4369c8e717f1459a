"""Nets of other libraries: any that is called so there, with our channels and classes."""

import pytest
import torch

from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.models.foreign import FROM_LIBRARY
from reslab.models.nets import build

pytestmark = pytest.mark.process


@pytest.mark.parametrize("name", ["torchvision:googlenet", "torchvision:inception_v3"])
def test_nets_with_further_logits_return_their_own_alone(name: str) -> None:
    with torch.device("meta"):
        net = build(describe(name).model_copy(update={"classes": 7}))
        assert net.train()(torch.empty(2, 3, 299, 299)).shape == (2, 7)


@pytest.mark.parametrize("library", FROM_LIBRARY)
def test_an_unknown_name_is_refused_with_a_few_that_there_are(library: str) -> None:
    with pytest.raises(
        UserError, match=rf"^{library} has no net 'zzz'; there are .* for example .* to list them: "
    ) as said:
        build(f"{library}:zzz")
    assert len(str(said.value)) < 700


@pytest.mark.parametrize("name", ["timm:mobilenetv3_small_050", "torchvision:shufflenet_v2_x0_5"])
def test_nets_of_other_libraries_are_built_for_the_run(name: str) -> None:
    description = describe(name).model_copy(update={"classes": 7})
    net = build(description).eval()
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 7)


def test_timms_nets_read_grey_images() -> None:
    net = build(describe("timm:resnet10t").model_copy(update={"in_channels": 1, "classes": 10}))
    assert net.eval()(torch.randn(2, 1, 32, 32)).shape == (2, 10)


def test_an_old_name_of_trained_weights_is_no_nets() -> None:
    """timm builds tf_efficientnet_b0 for it, and would leave the weights away without a word."""
    with pytest.raises(UserError, match=r"no net 'tf_efficientnet_b0_ns'; did you mean"):
        build("timm:tf_efficientnet_b0_ns")
