"""Backbones are what torchvision's detectors and segmentation nets take for their own."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
from torchvision.ops import FrozenBatchNorm2d

from reslab import load
from reslab.config.nets import ResNet
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.methods.backbone import Backbone, backbone, freeze_norms, levels_of
from reslab.models.nets import build
from reslab.training.start import start

SIZE = 128


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a ResNet-18 whose norms have statistics of images, in torchvision's names."""
    torch.manual_seed(0)
    net = resnet18().train()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # the mean over all batches
    with torch.no_grad():
        for _ in range(2):
            net(torch.randn(4, 3, SIZE, SIZE))
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(net.state_dict(), path)
    return path


# ---- maps, names, numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "levels", "strides", "channels"),
    [  # He 2015, Table 1; Huang 2017, Table 1; CIFAR nets, He 2015, Sec. 4.2
        ("resnet50", (2, 3, 4, 5), [4, 8, 16, 32], [256, 512, 1024, 2048]),
        ("resnet18", (3, 5), [8, 32], [128, 512]),
        ("resnet20", (0, 1, 2), [1, 2, 4], [16, 32, 64]),
        ("preact_resnet20", (0, 2), [1, 4], [16, 64]),
        ("densenet121", (2, 3, 4, 5), [4, 8, 16, 32], [256, 512, 1024, 1024]),
    ],
)
def test_maps_have_the_strides_and_the_channels_that_the_backbone_names(
    name: str, levels: tuple[int, ...], strides: list[int], channels: list[int]
) -> None:
    body = backbone(name, levels=levels, frozen_norms=False).eval()
    assert (body.strides, body.out_channels) == (strides, channels)
    with torch.no_grad():
        maps = body(torch.randn(2, 3, 64, 96))
    assert list(maps) == [str(i) for i in range(len(levels))]
    shapes = [tuple(found.shape) for found in maps.values()]
    expected = zip(strides, channels, strict=True)
    assert shapes == [(2, c, 64 // stride, 96 // stride) for stride, c in expected]


def test_a_pre_activation_nets_last_map_is_behind_its_closing_norm() -> None:
    net = build("preact_resnet20").eval()
    body = backbone("preact_resnet20", levels={"last": 2}, frozen_norms=False).eval()
    body.load_state_dict({n: v for n, v in net.state_dict().items() if not n.startswith("fc")})
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits = net.get_submodule("fc")(body(images)["last"].mean((2, 3)))
        torch.testing.assert_close(logits, net(images))


def test_keys_and_maps_are_those_of_torchvisions_layer_getter(trained: Path) -> None:
    theirs = resnet18(norm_layer=FrozenBatchNorm2d)
    theirs.load_state_dict(torch.load(trained, weights_only=True))
    layers = {f"layer{i + 1}": str(i) for i in range(4)}
    getter, body = IntermediateLayerGetter(theirs, layers), backbone("resnet18", trained)
    assert list(body.state_dict()) == list(getter.state_dict())
    assert body.return_layers == layers
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        ours, expected = body(images), getter(images)
    assert list(ours) == list(expected)
    assert all(torch.equal(ours[name], expected[name]) for name in expected)


def test_frozen_norms_neither_train_nor_count_and_compute_what_evaluation_does(
    trained: Path,
) -> None:
    frozen, free = backbone("resnet18", trained), backbone("resnet18", trained, frozen_norms=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in frozen.modules())
    assert all(p.dim() == 4 for p in frozen.parameters())  # convolutions alone
    images = torch.randn(2, 3, 64, 64)
    before = {name: value.clone() for name, value in frozen.named_buffers()}
    with torch.no_grad():
        in_training, expected = frozen.train()(images), free.eval()(images)
    for name in expected:
        torch.testing.assert_close(in_training[name], expected[name], rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in frozen.named_buffers())


def test_norms_keep_their_epsilon() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3, eps=0.5))
    freeze_norms(net)
    frozen = net[0]
    assert isinstance(frozen, FrozenBatchNorm2d)
    assert frozen.eps == 0.5


# ---- weights -------------------------------------------------------------------------------------


def test_weights_of_other_classes_are_taken_but_for_their_head(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = resnet18(num_classes=7)
    torch.save(net.state_dict(), tmp_path / "seven.pth")
    body = backbone("resnet18", tmp_path / "seven.pth", frozen_norms=False)
    theirs = net.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in body.state_dict().items())


@pytest.mark.process
def test_weights_of_our_own_files_and_runs_are_taken(
    digit_weights: Path, make_run: MakeRun
) -> None:
    """A safetensors file, and a run's folder, of nets that read grey digits."""
    config = make_run("a", {"recipe.steps": 6, "recipe.schedule.milestones": [3, 4]})
    assert start(config) == 0
    for weights in (str(digit_weights), config.parent):
        body = backbone("resnet8_w8", weights, levels=(0, 1, 2))
        theirs = load(weights).state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in body.state_dict().items())
        assert "fc.weight" not in body.state_dict()


def test_published_weights_are_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked up: a file that lies under the published file's name and is another is refused."""
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path))
    torch.save(resnet50().state_dict(), tmp_path / "resnet50-0676ba61.pth")
    with pytest.raises(UserError, match="expected 0676ba61"):
        backbone("resnet50", "torchvision:ResNet50_Weights.IMAGENET1K_V1")


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: backbone("resnet18", levels=(2, 6)), "levels: got [2, 6]; expected some"),
        (lambda: backbone("resnet18", levels=(3, 2)), "each once and in this order"),
        (lambda: backbone("resnet18", levels=()), "1 (stride 2), 2 (stride 4), 3 (stride 8)"),
        (lambda: backbone("timm:resnet18"), "timm.create_model(…, features_only=True)"),
        (lambda: backbone("resnet18", "nowhere.pth"), "there is no file"),
        (lambda: backbone("resnet18", "torchvision:ResNet18_Weights.V9"), "has no weights"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        call()


def test_a_net_without_batchnorm_has_nothing_to_freeze() -> None:
    described = describe("resnet20")
    with pytest.raises(UserError, match="write frozen_norms=False"):
        backbone(described.model_copy(update={"norm": "group"}), levels=(0,))


def test_weights_of_another_net_are_refused_with_what_differs(trained: Path) -> None:
    with pytest.raises(UserError, match="the weights do not fit the net"):
        backbone("resnet50", trained)


def test_levels_are_found_without_computing() -> None:
    described = describe("resnet152")
    assert isinstance(described, ResNet)
    layers = [level.layer for level in levels_of(described).values()]
    assert layers == ["relu1", "layer1", "layer2", "layer3", "layer4"]


def test_it_needs_no_lightning() -> None:
    code = "import sys, reslab; reslab.backbone; sys.exit('lightning' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- torchvision's detectors and segmentation nets -----------------------------------------------


def scene() -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Two images of one bright rectangle each, with its box, its mask and its class."""
    generator = torch.Generator().manual_seed(0)
    images, targets = [], []
    for label, (left, top, right, bottom) in enumerate([(16, 16, 80, 96), (40, 24, 112, 104)], 1):
        image = torch.rand(3, SIZE, SIZE, generator=generator) * 0.2
        mask = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
        image[label, top:bottom, left:right] += 0.8
        mask[0, top:bottom, left:right] = 1
        box = torch.tensor([[float(left), float(top), float(right), float(bottom)]])
        images.append(image)
        targets.append({"boxes": box, "labels": torch.tensor([label]), "masks": mask})
    return images, targets


def with_pyramid(body: Backbone, channels: int = 256) -> BackboneWithFPN:
    return BackboneWithFPN(body, body.return_layers, body.out_channels, channels)


SMALL = {
    "num_classes": 3,
    "min_size": SIZE,
    "max_size": SIZE,
    "rpn_post_nms_top_n_train": 100,
    "rpn_post_nms_top_n_test": 100,
    "box_batch_size_per_image": 32,
}
"""For one core: torchvision's detectors sample 512 of 2,000 boxes of each image by default."""


def detector(kind: Any, body: Backbone) -> nn.Module:
    made: nn.Module = kind(with_pyramid(body, 64), **SMALL)
    return made


def segmenter(body: Backbone) -> nn.Module:
    return DeepLabV3(body, DeepLabHead(body.out_channels[-1], 3))


def detection_loss(net: nn.Module) -> Tensor:
    torch.manual_seed(0)  # which anchors and boxes are sampled
    images, targets = scene()
    losses: dict[str, Tensor] = net(images, targets)
    return torch.stack(list(losses.values())).sum()


def segmentation_loss(net: nn.Module) -> Tensor:
    torch.manual_seed(0)  # dropout
    images, targets = scene()
    classes = torch.stack([t["masks"][0].long() * t["labels"] for t in targets])
    logits: Tensor = net(torch.stack(images))["out"]
    return nn.functional.cross_entropy(logits, classes)


NETS: dict[str, tuple[Callable[[Backbone], nn.Module], Callable[[nn.Module], Tensor], Any]] = {
    "Faster R-CNN": (lambda body: detector(FasterRCNN, body), detection_loss, (2, 3, 4, 5)),
    "Mask R-CNN": (lambda body: detector(MaskRCNN, body), detection_loss, (2, 3, 4, 5)),
    "DeepLabV3": (segmenter, segmentation_loss, {"out": 5}),
}


def trained_steps(
    net: nn.Module, loss_of: Callable[[nn.Module], Tensor], steps: int
) -> list[float]:
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-4)
    losses = []
    for _ in range(steps):
        loss = loss_of(net)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_resnet_18_trains_in_it_and_its_weights_come_back(
    name: str, trained: Path, tmp_path: Path
) -> None:
    """The loss on two fixed images falls by half in 25 steps; what was saved answers the same."""
    make, loss_of, levels = NETS[name]
    torch.manual_seed(0)
    net = make(backbone("resnet18", trained, levels)).train()
    losses = trained_steps(net, loss_of, 25)
    assert losses[-1] < losses[0] / 2
    torch.save(net.state_dict(), tmp_path / "net.pth")
    other = make(backbone("resnet18", levels=levels))
    other.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    images = torch.stack(scene()[0])
    with torch.no_grad():
        assert str(other.eval()(images)) == str(net.eval()(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_resnet_50_takes_a_step_in_it(name: str) -> None:
    make, loss_of, levels = NETS[name]
    torch.manual_seed(0)
    net = make(backbone("resnet50", levels=levels, frozen_norms=False)).train()
    [last] = [p for name, p in net.named_parameters() if name.endswith("layer4.2.conv3.weight")]
    before = last.detach().clone()
    [loss] = trained_steps(net, loss_of, 1)
    assert loss > 0
    assert not torch.equal(before, last)


@pytest.mark.slow
def test_torchvisions_own_detector_and_ours_read_each_others_weights() -> None:
    theirs = resnet_fpn_backbone(backbone_name="resnet50", weights=None)
    ours = with_pyramid(backbone("resnet50"))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        expected, found = theirs.eval()(images), ours.eval()(images)
    assert list(found) == list(expected) == ["0", "1", "2", "3", "pool"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_what_the_page_shows_works(
    repository: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """docs/backbones.md, in thirty lines, as it stands there."""
    text = (repository / "docs" / "backbones.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(code.splitlines()) <= 30
    (tmp_path / "resnet18.safetensors").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/backbones.md", "exec"), {})
    said = re.findall(r"print\(.*\)  # (.*)", code)
    assert capsys.readouterr().out.splitlines() == said
