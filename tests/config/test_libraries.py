"""Names of other libraries' nets are known without importing them."""

import subprocess
import sys

import pytest

from reslab.config.libraries import elsewhere, library_names
from reslab.config.resolve import resolve
from reslab.config.zoo import describe
from reslab.errors import UserError


def test_the_names_are_those_that_the_libraries_list() -> None:
    timm = pytest.importorskip("timm")
    from torchvision import models

    assert library_names("timm") == set(timm.list_models())
    assert library_names("torchvision") == set(models.list_models(module=models))


def test_a_library_that_is_missing_has_no_names() -> None:
    assert library_names("no_such_library") == frozenset()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vgg16", ["torchvision:vgg16", "timm:vgg16"]),
        ("mobilenet_v2", ["torchvision:mobilenet_v2", "timm:mobilenetv2_100"]),
        ("mobilenetv3_large", ["torchvision:mobilenet_v3_large", "timm:mobilenetv3_large_100"]),
        ("EfficientNet-B0", ["torchvision:efficientnet_b0", "timm:efficientnet_b0"]),
        ("squeezenet1_1", ["torchvision:squeezenet1_1"]),
        ("resnet65", []),
        ("", []),
    ],
)
def test_a_name_is_found_in_both_libraries(name: str, found: list[str]) -> None:
    assert elsewhere(name) == found


def test_what_a_library_has_is_told_with_its_prefix_without_importing_torch() -> None:
    code = (
        "import sys; from reslab.config.zoo import describe\n"
        "try: describe('mobilenet_v2')\n"
        "except Exception as error: print(error, sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "no net is called 'mobilenet_v2'; did you mean torchvision:mobilenet_v2 or "
        "timm:mobilenetv2_100? []\n"
    )


@pytest.mark.parametrize(
    ("name", "net", "start"),
    [
        ("timm:resnet50.a1_in1k", "timm:resnet50", "timm:resnet50.a1_in1k"),
        ("resnet50.a1_in1k", "timm:resnet50", "timm:resnet50.a1_in1k"),
        (
            "torchvision:resnet50.IMAGENET1K_V2",
            "torchvision:resnet50",
            "torchvision:<Net>_Weights.IMAGENET1K_V2",
        ),
    ],
)
def test_a_name_of_trained_weights_is_refused_with_the_words_for_both(
    name: str, net: str, start: str
) -> None:
    told = rf"the net alone is {net}, and to begin with these weights .* start: {start}$"
    with pytest.raises(UserError, match=told):
        describe(name)


def test_a_name_of_trained_weights_is_refused_in_a_description_too() -> None:
    model = {"family": "foreign", "library": "timm", "architecture": "resnet50.a1_in1k"}
    with pytest.raises(UserError, match=r"here: model.architecture: .* not only a net"):
        resolve({"model": model, "data": "digits", "recipe": "digits"}, "here")


def test_a_net_of_the_zoo_may_have_a_point_in_its_name() -> None:
    assert describe("wrn_imagenet_18_1.5")
    with pytest.raises(UserError, match=r"no net is called 'wrn_imagenet_18_1\.6'; did you mean w"):
        describe("wrn_imagenet_18_1.6")
