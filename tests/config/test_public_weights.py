"""What is known of published weights without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torchvision
from timm.models import get_pretrained_cfg
from torchvision.models import get_model_weights, get_weight, list_models

from reslab.config.origins import sha256_of
from reslab.config.public_weights import TABLE, published, torchvision_weights, weights_of
from reslab.errors import UserError


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from reslab.config.public_weights import published;"
        "published('torchvision:ResNet50_Weights.IMAGENET1K_V2');"
        "published('timm:resnet18.a1_in1k');"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", ["ResNet50_Weights.IMAGENET1K_V2", "ResNet18_Weights.IMAGENET1K_V1"]
)
def test_torchvisions_weights_are_as_torchvision_says(name: str) -> None:
    known, theirs = published(f"torchvision:{name}"), get_weight(name)
    assert known.url == theirs.url
    assert known.file == theirs.url.rpartition("/")[2]
    assert known.digest == known.file.partition("-")[2].partition(".")[0]
    preset = theirs.transforms()
    assert known.normalization == (tuple(preset.mean), tuple(preset.std))
    assert known.size == pytest.approx(theirs.meta["_file_size"] * 2**20, abs=1)


def test_every_classification_weight_of_torchvision_is_known() -> None:
    enums = torchvision.models.list_models(module=torchvision.models)
    theirs = {
        f"torchvision:{type(weights).__name__}.{weights.name}"
        for name in enums
        for weights in torchvision.models.get_model_weights(name)
    }
    assert theirs <= torchvision_weights().keys()


@pytest.mark.parametrize(
    "name",
    ["resnet18.a1_in1k", "resnet50.tv_in1k", "tf_efficientnet_lite0.in1k", "resnet50d.ra2_in1k"],
)
def test_timms_weights_with_a_hash_in_their_name_are_githubs(name: str) -> None:
    known = published(f"timm:{name}")
    assert known.url == get_pretrained_cfg(name).url
    assert known.digest and known.digest in known.file


def test_timms_other_weights_are_hugging_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mobilenetv4_conv_aa_large.e230_r384_in12k"
    cfg = get_pretrained_cfg(name)
    assert not cfg.url
    known = published(f"timm:{name}")
    assert known.url == f"https://huggingface.co/{cfg.hf_hub_id}/resolve/main/model.safetensors"
    assert (known.file, known.digest) == (f"{name}.safetensors", "")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert published(f"timm:{name}").url.startswith("http://127.0.0.1:1/timm/")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("torchvision:ResNet50_Weights.DEFAULT", "say which: .*_V1 or .*_V2"),
        ("torchvision:ResNet50_Weights.IMAGENET1K_V3", "did you mean"),
        ("timm:resnet50", "names a net, not its weights.*did you mean resnet50"),
        ("timm:resnet50.a9_in1k", r"timm has no weights .*did you mean resnet50\."),
        ("akamaster:resnet21", "did you mean akamaster:resnet"),
        ("resnet50", "no published weights are called 'resnet50'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        published(name)


def test_a_file_of_the_table_has_its_digest_in_its_name() -> None:
    for row in TABLE.values():
        assert row.digest[:8] in row.file and row.url.endswith(row.file)


def test_the_table_knows_the_files_that_are_at_hand(shared_data: Path) -> None:
    for name in ("akamaster:resnet20", "akamaster:resnet56"):
        row = TABLE[name]
        path = shared_data / "weights" / row.file
        assert (sha256_of(path), path.stat().st_size) == (row.digest, row.size)


@pytest.mark.parametrize(
    ("net", "weights"),
    [
        ("resnet50", "torchvision:ResNet50_Weights.IMAGENET1K_V2"),
        ("torchvision:mobilenet_v2", "torchvision:MobileNet_V2_Weights.IMAGENET1K_V2"),
        ("torchvision:resnet50.IMAGENET1K_V1", "torchvision:ResNet50_Weights.IMAGENET1K_V1"),
        ("timm:resnet50.a2_in1k", "timm:resnet50.a2_in1k"),
    ],
)
def test_a_nets_name_stands_for_published_weights(net: str, weights: str) -> None:
    assert weights_of(net) == weights
    published(weights)


def test_a_nets_weights_are_torchvisions_newest() -> None:
    for net in list_models(torchvision.models):
        newest = get_model_weights(net).DEFAULT
        assert weights_of(net) == f"torchvision:{newest}"


@pytest.mark.parametrize("net", ["resnet50", "resnet18", "tf_efficientnet_lite0", "convnext_tiny"])
def test_a_nets_weights_are_timms_first(net: str) -> None:
    config = get_pretrained_cfg(net)
    assert config is not None
    assert weights_of(f"timm:{net}") == f"timm:{net}.{config.tag}"


@pytest.mark.parametrize(
    ("net", "told"),
    [
        ("resnet20", "there are akamaster:resnet20, of CIFAR-10"),
        ("plain34", "no published weights are known of the net 'plain34'"),
        ("timm:botnet50ts_256", "timm has no weights of the net"),
    ],
)
def test_a_net_without_published_weights_is_refused(net: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        weights_of(net)
