"""Losses beside their authors' formulas: numbers that their own code puts out on fixed tensors.

The tensors are sines, 2 sin(k i), the same on every machine. The expected numbers come from the
authors' code, run once in float64 with torch 2.14.1: RepDistiller's distiller_zoo/KD.py, AT.py,
RKD.py and helper/loops.py (HobbitLong/RepDistiller, 1e2f816), mdistiller/distillers/DKD.py
(megvii-research/mdistiller, e8c5bb3) and dist_kd.py (hunto/DIST_KD, 6d93ca0; times τ², its logits
divided by τ, as its classification code has it).
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from reslab.config.losses import Loss
from reslab.errors import UserError
from reslab.methods.features import Outputs
from reslab.methods.losses import (
    LOSSES,
    attention,
    refuse_unlike,
    regressed,
    regressor,
    seen,
    taught,
)
from reslab.models.nets import build


def fixed(*shape: int, k: float) -> Tensor:
    numbers = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (numbers * k).sin().mul(2).view(shape)


TARGETS = torch.tensor([0, 2, 4, 1])


def student() -> Outputs:
    stages = {
        "stem": fixed(4, 2, 8, 8, k=0.9),
        "layer1": fixed(4, 2, 8, 8, k=1.1),
        "layer2": fixed(4, 3, 4, 4, k=1.7),
    }
    return Outputs(stages, fixed(4, 3, k=2.1), fixed(4, 5, k=1.3))


def teacher() -> Outputs:
    stages = {
        "stem": fixed(4, 4, 8, 8, k=0.3),
        "layer1": fixed(4, 4, 8, 8, k=0.31),
        "layer2": fixed(4, 3, 2, 2, k=0.53),
    }
    return Outputs(stages, fixed(4, 6, k=0.9), fixed(4, 5, k=0.7))


def added(loss: Loss, ours: Outputs | None = None) -> float:
    return float(LOSSES[loss.name](loss, ours or student(), teacher(), TARGETS))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Loss(name="kd"), 1.4267210053713697),
        (Loss(name="kd", soft=0.5, temperature=2.0), 0.7633663748867501),
        (Loss(name="dkd"), 11.85993537677626),
        (
            Loss(name="dkd", target_weight=0.5, others_weight=2.0, temperature=1.0),
            2.409281933961009,
        ),
        (Loss(name="dist"), 27.927295684929803),
        (
            Loss(name="dist", inter_weight=2.0, intra_weight=0.5, temperature=1.0),
            2.308128366703254,
        ),
        (Loss(name="at"), 1.112088723160197),  # layer2 of 4 × 4 and of 2 × 2 pixels; not the stem
        (Loss(name="rkd"), 1.3973119882370701),
        (Loss(name="rkd", distance_weight=1.0, angle_weight=2.0), 0.0558924795294828),
    ],
    ids=lambda value: value.name if isinstance(value, Loss) else "",
)
def test_a_loss_is_its_authors(loss: Loss, expected: float) -> None:
    assert added(loss) == pytest.approx(expected, rel=1e-12)


def test_fitnet_is_the_mean_square_of_the_hinted_stage() -> None:
    """nn.MSELoss, times 100 (RepDistiller's train_student.py)."""
    ours = student()
    ours.stages["layer2"] = fixed(4, 3, 2, 2, k=1.7)
    assert added(Loss(name="fitnet"), ours) == pytest.approx(400.1337540051412, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_net_that_puts_out_what_its_teacher_does_adds_nothing(name: str) -> None:
    both = teacher()
    found = LOSSES[name](Loss.model_validate(name), both, both, TARGETS)
    assert float(found) == pytest.approx(0, abs=1e-4)  # dist adds 1e-8 to norms


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_gradients_and_in_float32_too(name: str) -> None:
    """Targets of huge logits included, where probabilities of all others are 0 in float32."""
    ours, theirs = student(), teacher()
    ours.stages["layer2"] = ours.stages["layer2"][:, :, :2, :2]
    logits = ours.logits.float().mul(100).requires_grad_()
    features = ours.features.float().requires_grad_()
    stages = {key: value.float().requires_grad_() for key, value in ours.stages.items()}
    whole = taught(
        Loss.model_validate(name),
        functional.cross_entropy(logits, TARGETS),
        Outputs(stages, features, logits),
        theirs,
        TARGETS,
    )
    whole.backward()
    reached = [t for t in (logits, features, *stages.values()) if t.grad is not None]
    assert whole.isfinite()
    assert all(t.grad.isfinite().all() for t in reached)


def test_products_of_features_are_not_taken_in_16_bits() -> None:
    """A distance is a small difference of large squares: here of 32 bits and of autocast's 16."""
    loss = Loss(name="rkd")
    far = [net._replace(features=net.features.float() + 30) for net in (student(), teacher())]
    plain = taught(loss, torch.tensor(0.0), *far, TARGETS)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = taught(loss, torch.tensor(0.0), *far, TARGETS)
    assert float(mixed) == float(plain)


def test_of_kd_the_rest_is_cross_entropys_and_of_all_others_the_whole() -> None:
    own = torch.tensor(7.0, dtype=torch.float64)
    for name in LOSSES:
        loss = Loss.model_validate(
            {"name": name, **({"hint_layer": 1} if name == "fitnet" else {})}
        )
        ours, theirs = student(), teacher()
        if name == "fitnet":
            theirs.stages["layer1"] = theirs.stages["layer1"][:, :2]
        rest = taught(loss, own, ours, theirs, TARGETS) - LOSSES[name](loss, ours, theirs, TARGETS)
        assert float(rest) == pytest.approx(0.7 if name == "kd" else 7.0)


def test_what_dkd_adds_rises_with_the_steps_of_its_warm_up() -> None:
    """min(epoch / warm-up, 1) in the authors' code; here by steps."""
    loss, own = Loss(name="dkd", warmup=0.25), torch.zeros(())
    whole = added(loss)
    found = [
        float(taught(loss, own, student(), teacher(), TARGETS, done))
        for done in (0, 0.125, 0.25, 1)
    ]
    assert found == pytest.approx([0, whole / 2, whole, whole])


@pytest.mark.parametrize("name", ["kd", "fitnet", "at", "dkd"])
def test_means_over_examples_add_up_over_parts_of_a_batch(name: str) -> None:
    loss, ours, theirs = Loss.model_validate(name), student(), teacher()
    ours.stages["layer2"] = fixed(4, 3, 2, 2, k=1.7)

    def part(found: Outputs, half: slice) -> Outputs:
        stages = {key: value[half] for key, value in found.stages.items()}
        return Outputs(stages, found.features[half], found.logits[half])

    halves = [
        LOSSES[name](loss, part(ours, half), part(theirs, half), TARGETS[half])
        for half in (slice(0, 2), slice(2, 4))
    ]
    whole = LOSSES[name](loss, ours, theirs, TARGETS)
    assert float(sum(halves)) / 2 == pytest.approx(float(whole), rel=1e-12)


def test_a_map_of_attention_has_norm_one_in_every_image() -> None:
    maps = attention(fixed(3, 5, 4, 4, k=0.7))
    assert maps.shape == (3, 16)
    torch.testing.assert_close(maps.norm(dim=1), torch.ones(3, dtype=torch.float64))


# ---- what fitnet learns, and what fits ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["conv", "conv_bn_relu"])
def test_a_regressor_goes_from_the_students_channels_to_the_teachers(kind: str) -> None:
    loss = Loss.model_validate({"name": "fitnet", "hint_layer": 1, "regressor": kind})
    made = regressor(loss, student(), teacher())
    assert made is not None
    found = regressed(loss, student(), made)
    assert found.stages["layer1"].shape == teacher().stages["layer1"].shape
    assert found.stages["layer2"].equal(student().stages["layer2"])
    assert {type(m) for m in made.modules()} <= {
        nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU,
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "fitnet"])
def test_no_other_loss_learns_anything(name: str) -> None:
    assert regressor(Loss.model_validate(name), student(), teacher()) is None


def test_stages_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UserError, match="hint_layer: 3; the net's stages are layer1, layer2"):
        refuse_unlike(Loss(name="fitnet", hint_layer=3), student(), teacher())
    with pytest.raises(UserError, match="has images of 4 × 4 pixels there, its teacher of 2 × 2"):
        refuse_unlike(Loss(name="fitnet"), student(), teacher())
    theirs = teacher()
    del theirs.stages["layer2"]
    with pytest.raises(UserError, match="at compares stage by stage; the net has 2, its teacher 1"):
        refuse_unlike(Loss(name="at"), student(), theirs)


@pytest.mark.parametrize("name", LOSSES)
def test_stages_are_computed_where_they_are_read(name: str) -> None:
    net, x = build("resnet20").eval(), torch.randn(2, 3, 32, 32)
    found = seen(Loss.model_validate(name), net, x)
    assert torch.equal(found.logits, net(x))
    assert bool(found.stages) == (name in ("fitnet", "at", "rkd"))
