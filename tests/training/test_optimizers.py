"""The learning rate is a function of the recipe and the step; so are the points in time."""

import math
import sys

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)

from reslab.config.recipe import Optimizer, Recipe
from reslab.config.resolve import resolve
from reslab.config.zoo import describe
from reslab.methods.stages import depth_of_each
from reslab.methods.trains import freeze
from reslab.models.nets import build
from reslab.training.optimizers import (
    build_optimizer,
    ends_epoch,
    evaluation_interval,
    groups,
    is_weight,
    learning_rate,
    log_interval,
    set_rates,
)


def recipe(**changes: object) -> Recipe:
    tree = {
        "model": "resnet20",
        "data": "cifar10",
        "recipe": {"name": "he2015_cifar", **changes},
    }
    return resolve(tree, "test").recipe


def rates(of: Recipe) -> list[float]:
    return [learning_rate(of, step) for step in range(of.steps)]


def rates_of(scheduler: LRScheduler, steps: int) -> list[float]:
    """What a scheduler of torch's makes of its optimiser's rate."""
    found = []
    for _ in range(steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_he2015_divides_the_rate_by_10_at_32k_and_48k() -> None:
    rates = {s: learning_rate(recipe(), s) for s in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert rates == pytest.approx(
        {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001}
    )


def test_resnet110_begins_with_400_steps_at_a_tenth_of_the_rate() -> None:
    warm = recipe(**{"schedule.warmup_steps": 400, "schedule.warmup_lr": 0.01})
    assert [learning_rate(warm, s) for s in (0, 399, 400)] == [0.01, 0.01, 0.1]


def test_a_cosine_falls_from_the_peak_to_zero() -> None:
    cosine = recipe(schedule={"name": "cosine", "milestones": []}, steps=1000)
    assert learning_rate(cosine, 0) == 0.1
    assert learning_rate(cosine, 500) == pytest.approx(0.05)
    assert learning_rate(cosine, 1000) == 0


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.floats(1e-3, 10))
def test_one_cycle_is_torchs(steps: int, pct_start: float, peak: float) -> None:
    schedule = {"name": "one_cycle", "milestones": [], "pct_start": pct_start}
    cycle = recipe(**{"schedule": schedule, "steps": steps, "optimizer.lr": peak})
    assume(abs(pct_start * steps - 1) > 1e-9)  # torch divides by it
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1)
    torchs = OneCycleLR(optimizer, peak, steps, pct_start=pct_start, cycle_momentum=False)
    assert rates(cycle) == pytest.approx(rates_of(torchs, steps), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_one_cycle_that_begins_at_its_top_is_finite(steps: int) -> None:
    schedule = {"name": "one_cycle", "milestones": [], "pct_start": 0.1}
    cycle = recipe(schedule=schedule, steps=steps)
    assert all(0 < rate <= 0.1 for rate in [*rates(cycle), learning_rate(cycle, steps)])


@given(st.integers(1, 50), st.floats(1e-4, 0.1), st.integers(1, 100))
def test_a_linear_warm_up_and_a_cosine_are_torchs(warmup: int, start: float, rest: int) -> None:
    warm = {"warmup": "linear", "warmup_steps": warmup, "warmup_lr": start}
    ours = recipe(schedule={"name": "cosine", "milestones": [], **warm}, steps=warmup + rest)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    rise = LinearLR(optimizer, start_factor=start / 0.1, total_iters=warmup)
    fall = CosineAnnealingLR(optimizer, T_max=rest)
    torchs = SequentialLR(optimizer, [rise, fall], milestones=[warmup])
    assert rates(ours) == pytest.approx(rates_of(torchs, warmup + rest), rel=1e-6, abs=1e-9)


@given(st.integers(1, 50), st.sets(st.integers(51, 200)), st.floats(0.01, 0.9))
def test_milestones_are_torchs(warmup: int, milestones: set[int], gamma: float) -> None:
    assume(milestones)
    points = {"milestones": sorted(milestones), "gamma": gamma}
    warm = {"warmup": "constant", "warmup_steps": warmup, "warmup_lr": 0.01}
    ours = recipe(schedule={"name": "step", **points, **warm}, steps=201)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    torchs = MultiStepLR(optimizer, sorted(milestones), gamma=gamma)
    assert rates(ours)[warmup:] == pytest.approx(rates_of(torchs, 201)[warmup:])
    assert rates(ours)[:warmup] == [0.01] * warmup


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_a_budget_keeps_the_shape(name: str) -> None:
    warm = {"warmup": "linear", "warmup_steps": 100} if name == "cosine" else {}
    full = recipe(schedule={"name": name, "milestones": [], **warm}, steps=1000)
    tenth = rates(full.scaled(0.1))
    assert tenth == pytest.approx(rates(full)[::10], abs=0.004)


@given(st.floats(1e-6, 4))
def test_every_rate_of_the_recipe_is_used_at_any_budget(budget: float) -> None:
    warm = recipe(**{"schedule.warmup_steps": 400, "schedule.warmup_lr": 0.02}).scaled(budget)
    steps = [0, warm.schedule.warmup_steps, *warm.schedule.milestones]
    assert [learning_rate(warm, s) for s in steps] == pytest.approx([0.02, 0.1, 0.01, 0.001])
    assert learning_rate(warm, warm.steps - 1) == pytest.approx(0.001)


@given(st.integers(1, 100_000), st.integers(1, 512), st.integers(1, 50_000))
def test_there_are_at_most_200_rows_and_40_evaluations(steps: int, batch: int, test: int) -> None:
    any_recipe = recipe().model_copy(update={"steps": steps, "batch_size": batch})
    assert steps / log_interval(any_recipe) <= 200
    evaluations = steps / evaluation_interval(any_recipe, test)
    assert evaluations <= 40
    assert evaluations * test <= 3 * steps * batch / 10 + 1e-6  # a tenth of the training's cost


def test_epochs_end_with_the_step_that_reads_their_last_image_and_with_the_run() -> None:
    """45,000 images in batches of 128, 351.56 steps: Huang 2016's on CIFAR."""
    huang = recipe(name="huang2016_cifar")
    steps = [step for step in range(1, 1409) if ends_epoch(huang, step, 45_000)]
    assert steps == [352, 704, 1055, 1407]  # 351.56, 703.13, 1,054.69 and 1,406.25
    assert ends_epoch(huang, huang.steps, 45_000)
    assert not ends_epoch(huang, huang.steps - 2, 45_000)


def test_weight_decay_can_leave_out_norms_and_biases() -> None:
    net = build("resnet8_w8")
    optimizer = recipe().optimizer.model_copy(update={"decay": "weights"})
    weights, others = build_optimizer(net, optimizer).param_groups
    assert (weights["weight_decay"], others["weight_decay"]) == (1e-4, 0)
    assert {p.ndim for p in weights["params"]} == {2, 4}
    assert {p.ndim for p in others["params"]} == {1}


def test_the_optimizer_is_sgd_without_nesterov_as_in_he2015() -> None:
    optimizer = build_optimizer(build("resnet8_w8"), recipe().optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[1]
    assert (group["momentum"], group["nesterov"], group["dampening"]) == (0.9, False, 0)
    assert group["weight_decay"] == 1e-4
    assert math.isclose(group["lr"], 0.1)


@pytest.mark.parametrize("name", ["adam", "adamw", "lamb"])
def test_an_adaptive_optimizer_has_the_recipes_numbers_and_lowers_a_loss(name: str) -> None:
    net = build("resnet8_w8")
    fields = {"lr": 0.01, "betas": (0.8, 0.99), "weight_decay": 0.1, "decay": "weights"}
    optimizer = build_optimizer(net, Optimizer.model_validate({"name": name, **fields}))
    assert type(optimizer).__name__.lower() == name
    for group, decay in zip(optimizer.param_groups, (0.1, 0), strict=True):
        numbers = [group[key] for key in ("lr", "betas", "weight_decay")]
        assert numbers == [0.01, (0.8, 0.99), decay]
    images = torch.randn(8, 1, 8, 8, generator=torch.manual_seed(0))
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(net(images), torch.arange(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_timm_is_imported_only_for_lamb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.optim.lamb", None)  # importing it is an error now
    for name in ("sgd", "adam", "adamw"):
        build_optimizer(torch.nn.Linear(2, 2), Optimizer.model_validate({"name": name, "lr": 0.1}))
    with pytest.raises(ImportError, match="timm"):
        build_optimizer(torch.nn.Linear(2, 2), Optimizer(name="lamb", lr=0.1))


def test_fixup_trains_its_biases_and_scales_at_a_tenth_of_the_rate() -> None:
    """Zhang 2019, cifar_train.py: groups of all names with `bias` or `scale`, and of all others."""
    net = build("fixup_resnet110")
    optimizer = recipe().optimizer.model_copy(update={"scale_and_bias_lr_factor": 0.1})
    weights, others = build_optimizer(net, optimizer).param_groups
    assert (weights["lr"], others["lr"]) == (0.1, pytest.approx(0.01))
    names = {id(p): name for name, p in net.named_parameters()}
    slow = {names[id(p)] for p in others["params"]}
    assert slow == {name for name in names.values() if "bias" in name or "scale" in name}
    assert len(slow) + len(weights["params"]) == len(names)


def test_the_schedule_scales_every_groups_rate() -> None:
    changed = recipe(
        **{"optimizer.scale_and_bias_lr_factor": 0.1, "schedule.milestones": [2, 4], "steps": 6}
    )
    optimizer = build_optimizer(torch.nn.Linear(2, 2), changed.optimizer)
    peaks = [group["lr"] for group in optimizer.param_groups]
    for step, rate in enumerate((0.1, 0.1, 0.01, 0.01, 0.001)):
        set_rates(optimizer, peaks, changed, step)
        assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([rate, rate / 10])


def test_the_rates_are_to_the_bit_what_torchs_scheduler_sets() -> None:
    """Which set them until steps did: runs go on as they began."""
    changed = recipe(**{"schedule": {"name": "cosine", "milestones": []}, "steps": 100})
    net = torch.nn.Linear(2, 2)
    one, other = (build_optimizer(net, changed.optimizer) for _ in range(2))
    peaks = [group["lr"] for group in one.param_groups]
    schedule = LambdaLR(other, lambda step: learning_rate(changed, step) / changed.optimizer.lr)
    for step in range(100):
        set_rates(one, peaks, changed, step)
        rates, others = ([g["lr"] for g in made.param_groups] for made in (one, other))
        assert rates == others
        other.step()
        schedule.step()


def part(*words: str, name: str = "resnet8_w8") -> tuple[torch.nn.Module, dict[str, int]]:
    """A net of which these words train, and its depths."""
    described = describe(name)
    net = build(described)
    freeze(net, described, words)
    return net, depth_of_each(net, described)


@pytest.mark.parametrize("words", [("all",), ("head",), ("biases",), ("layer2", "norms")])
@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_every_parameter_that_trains_is_in_one_group_and_no_other_in_any(
    words: tuple[str, ...], layer_decay: float
) -> None:
    net, depths = part(*words)
    optimizer = recipe().optimizer.model_copy(update={"layer_decay": layer_decay})
    found = [p for group in groups(net, optimizer, depths) for p in group["params"]]
    training = [p for p in net.parameters() if p.requires_grad]
    assert len(found) == len(training)
    assert {id(p) for p in found} == {id(p) for p in training}
    assert all(group["params"] for group in groups(net, optimizer, depths))


@pytest.mark.parametrize("name", ["resnet8_w8", "timm:resnet18"])
def test_the_rate_falls_by_a_factor_per_stage_from_the_head(name: str) -> None:
    """BEiT (arXiv 2106.08254): the rate times d to the depth; the stem is the deepest."""
    net, depths = part("all", name=name)
    layered = {"layer_decay": 0.5, "scale_and_bias_lr_factor": 0.1, "decay": "weights"}
    optimizer = recipe().optimizer.model_copy(update=layered)
    rates = {
        id(p): (group["lr"], group["weight_decay"])
        for group in groups(net, optimizer, depths)
        for p in group["params"]
    }
    last = 3 if name == "resnet8_w8" else 4
    for place, depth in (("fc", 0), (f"layer{last}.0.conv1", 1), ("layer1.0.conv1", last)):
        rate = rates[id(net.get_parameter(f"{place}.weight"))]
        assert rate == (pytest.approx(0.1 * 0.5**depth), 1e-4)
    assert rates[id(net.get_parameter("bn1.bias"))] == (pytest.approx(0.01 * 0.5 ** (last + 1)), 0)


def test_groups_are_a_function_of_the_description() -> None:
    """What a resumed run loads has the groups that it was saved with."""
    optimizer = recipe().optimizer.model_copy(update={"layer_decay": 0.7})
    one, other = (
        build_optimizer(net, optimizer, depths).state_dict()["param_groups"]
        for net, depths in (part("head", "layer3"), part("head", "layer3"))
    )
    assert one == other
    assert [len(group["params"]) for group in one] == [1, 2, 1, 4]  # weights, others; by depth


def test_what_a_parametrised_weight_is_made_of_is_a_weight() -> None:
    """And so decays where only weights do."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    torch.nn.utils.parametrizations.weight_norm(net[0])
    weights = [name for name, _ in net.named_parameters() if is_weight(net, name)]
    prefix = "0.parametrizations.weight.original"
    assert weights == [f"{prefix}0", f"{prefix}1"]
