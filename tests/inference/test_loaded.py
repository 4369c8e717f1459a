"""What `load` gives is the plain net in all that torch does with it, and says what it is."""

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import reslab
from reslab.config.resolve import resolve_use
from reslab.data.normalize import Normalization
from reslab.data.photographs.crops import test_crop as the_test_crop
from reslab.errors import UserError
from reslab.inference.loaded import LoadedNet, Preprocess, with_meaning
from reslab.models.nets import build
from reslab.weights.about import About


@pytest.fixture
def net(digit_weights: Path) -> LoadedNet:
    return reslab.load(digit_weights)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 1, 8, 8)


# ---- a plain net ---------------------------------------------------------------------------------


def test_its_weights_and_parts_have_the_plain_nets_names(net: LoadedNet) -> None:
    plain = build("resnet8_w8")
    assert list(net.state_dict()) == list(plain.state_dict())
    assert isinstance(net, nn.Sequential) and isinstance(net, type(plain))
    assert not net.training


def saved(net: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), saved],
    ids=["copy", "deepcopy", "pickle", "torch.save"],
)
def test_copies_are_such_nets_too(copied: object, net: LoadedNet, images: Tensor) -> None:
    other = copied(net)  # type: ignore[operator]
    assert type(other) is type(net) and not other.training
    assert torch.equal(other(images), net(images))
    assert other.class_names == net.class_names and repr(other) == repr(net)


def test_it_is_traced_exported_and_converted_as_a_plain_net(net: LoadedNet, images: Tensor) -> None:
    expected = net(images)
    assert torch.equal(torch.fx.symbolic_trace(net)(images), expected)
    exported = torch.export.export(net, (images,)).module()
    torch.testing.assert_close(exported(images), expected)
    assert net.to(torch.float64)(images.double()).dtype == torch.float64
    assert net[:-1](images.double()).shape[0] == 2 and "Unit" in repr(net[:-1])


# ---- from images to inputs -----------------------------------------------------------------------


def colours(height: int, width: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8))


def test_an_image_becomes_a_batch_as_the_runs_test_view_has_it() -> None:
    use = resolve_use({"model": "resnet18", "photographs": {"size": 32}}, "here")
    normalization = Normalization.given((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    preprocess, image = Preprocess(use, normalization), colours(50, 70)
    assert use.photographs
    expected = normalization(the_test_crop(image, use.photographs)[None])
    assert expected.shape == (1, 3, 32, 32)
    assert torch.equal(preprocess(image), expected)
    assert torch.equal(preprocess(torch.stack([image, image])), torch.cat([expected, expected]))
    pil = Image.fromarray(image.permute(1, 2, 0).numpy())
    assert torch.equal(preprocess(pil), expected)


def test_grey_nets_and_grey_images(net: LoadedNet) -> None:
    """Three equal channels are grey to a unit: torchvision's weights add up to 0.9999."""
    grey = colours(8, 8)[:1]
    assert net.preprocess(grey).shape == (1, 1, 8, 8)
    assert torch.equal(net.preprocess(grey), net.preprocess(grey.expand(3, -1, -1)))
    assert net.preprocess(Image.new("P", (30, 20))).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (torch.zeros(3, 8, 8), "got torch.float32; expected a PIL image, or"),
        ("cat.jpg", "got str; expected a PIL image, or"),
        (torch.zeros(2, 8, 8, dtype=torch.uint8), r"got uint8 \(2, 8, 8\); expected"),
        (Image.new("F", (8, 8)), "the image: 32 bits a pixel"),
    ],
)
def test_what_is_no_image_is_refused(net: LoadedNet, given: object, found: str) -> None:
    with pytest.raises(UserError, match=found):
        net.preprocess(given)  # type: ignore[arg-type]


# ---- told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet1202", "resnet50", "densenet_100_12"])
def test_a_repr_fits_a_screen(name: str) -> None:
    use = resolve_use({"model": {"name": name, "classes": 400}}, "here")
    names = tuple(f"class \x1b[1m{i}" for i in range(400))
    with torch.device("meta"):
        plain = build(use.model)
    net = with_meaning(plain, About(use, Normalization.given((0.5,) * 3, (0.2,) * 3), names))
    lines = repr(net).splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{name}: images (N, 3, ") and "\x1b" not in repr(net)


@pytest.mark.process
def test_lightning_and_matplotlib_are_not_imported(digit_weights: Path) -> None:
    code = (
        "import sys, reslab; net = reslab.load(sys.argv[1]); reslab.build('resnet8_w8'); "
        "print(net.class_names); "
        "print({'lightning', 'matplotlib', 'torchmetrics', 'wandb', 'scipy'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code, str(digit_weights)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "set()"
