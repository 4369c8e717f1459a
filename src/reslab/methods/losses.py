"""Losses that hold a net against its teacher, on logits and on what stages put out.

A loss is a row of `LOSSES`; papers and fields are named in config/losses.py. Means are over the
examples of a batch, so that parts of it add up, but for those in which examples are held against
each other (`config.losses.WHOLE`).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from reslab.config.losses import STAGED, Loss
from reslab.errors import UserError
from reslab.methods.features import Outputs, in_full, outputs

Compare = Callable[[Loss, Outputs, Outputs, Tensor], Tensor]
"""From what student and teacher put out, and targets (N,), to what is added to cross-entropy."""


def taught(
    loss: Loss,
    cross_entropy: Tensor,
    student: Outputs,
    teacher: Outputs,
    targets: Tensor,
    progress: float = 1.0,
) -> Tensor:
    """The whole loss; `progress` is the part of the run's steps that is done."""
    risen = min(progress / loss.warmup, 1.0) if loss.warmup else 1.0
    own = 1 - loss.soft if loss.name == "kd" else 1.0
    # Products, too: autocast would take them in 16 bits.
    with torch.autocast(cross_entropy.device.type, enabled=False):
        added = LOSSES[loss.name](loss, _in_full(student), _in_full(teacher), targets)
    return own * cross_entropy + risen * added


def seen(loss: Loss, net: nn.Module, images: Tensor) -> Outputs:
    """As much of what a net puts out on images (N, C, H, W) as the loss reads."""
    if loss.name in STAGED:
        return outputs(net, images)
    logits: Tensor = net(images)
    return Outputs({}, logits, logits)


def _in_full(found: Outputs) -> Outputs:
    stages = {stage: in_full(output) for stage, output in found.stages.items()}
    return Outputs(stages, in_full(found.features), in_full(found.logits))


# ---- on logits ---------------------------------------------------------------------------------


def kd(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """soft T² KL(teacher ‖ student), of both softened by T (Hinton 2015, Sec. 2)."""
    return loss.soft * divergence(student.logits, teacher.logits, loss.temperature)


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL of softened probabilities from logits (N, classes), the mean over examples."""
    ours, theirs = (functional.log_softmax(z / temperature, 1) for z in (student, teacher))
    return temperature**2 * _divergence(ours, theirs)


def _divergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """KL from logarithms of probabilities (N, classes)."""
    return (theirs.exp() * (theirs - ours)).sum(1).mean()


def dkd(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """α TCKD + β NCKD (Zhao 2022, Eqn. 7): of the target against all others, and among these."""
    others = ~functional.one_hot(targets, student.logits.shape[1]).bool()

    def apart(logits: Tensor) -> tuple[Tensor, Tensor]:
        softened = logits / loss.temperature
        rest = softened[others].view(len(softened), -1)
        target = softened.gather(1, targets[:, None])
        pair = torch.cat((target, rest.logsumexp(1, keepdim=True)), 1)
        return pair.log_softmax(1), rest.log_softmax(1)

    (our_pair, ours), (their_pair, theirs) = apart(student.logits), apart(teacher.logits)
    target = _divergence(our_pair, their_pair)
    return loss.temperature**2 * (
        loss.target_weight * target + loss.others_weight * _divergence(ours, theirs)
    )


def dist(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """T² (β (1 - ρ over classes) + γ (1 - ρ over examples)) (Huang 2022, Eqns. 9 to 11)."""
    ours, theirs = ((z / loss.temperature).softmax(1) for z in (student.logits, teacher.logits))
    inter = 1 - correlation(ours, theirs).mean()
    intra = 1 - correlation(ours.T, theirs.T).mean()
    return loss.temperature**2 * (loss.inter_weight * inter + loss.intra_weight * intra)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, of each row (R, values) with its like: (R,)."""
    a, b = (rows - rows.mean(1, keepdim=True) for rows in (one, other))
    found: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)
    return found


# ---- on what stages put out --------------------------------------------------------------------


def fitnet(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """The mean square of a stage's difference; the student's has gone through the regressor."""
    stage = hinted(loss, student.stages)
    return loss.hint_weight * functional.mse_loss(student.stages[stage], teacher.stages[stage])


def at(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """Over the stages behind the stem, the sum of the mean squares of the difference of maps."""
    pairs = zip([*student.stages.values()][1:], [*teacher.stages.values()][1:], strict=True)
    sized = (of_one_size(*pair) for pair in pairs)
    found = torch.stack([functional.mse_loss(attention(a), attention(b)) for a, b in sized])
    return loss.attention_weight * found.sum()


def attention(features: Tensor) -> Tensor:
    """The mean square over channels of (N, C, H, W) at each place, of norm 1: (N, H W)."""
    return functional.normalize(features.square().mean(1).flatten(1))


def of_one_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the smaller one's height and width, the other averaged."""
    size = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
    a, b = (
        f if f.shape[2:] == size else functional.adaptive_avg_pool2d(f, size) for f in (one, other)
    )
    return a, b


def rkd(loss: Loss, student: Outputs, teacher: Outputs, targets: Tensor) -> Tensor:
    """Huber's loss of distances, in units of their mean, and of the cosines of angles."""
    ours, theirs = student.features, teacher.features
    distance = functional.smooth_l1_loss(distances(ours), distances(theirs))
    angle = functional.smooth_l1_loss(angles(ours), angles(theirs))
    return loss.distance_weight * distance + loss.angle_weight * angle


def distances(features: Tensor) -> Tensor:
    """Between examples (N, D), divided by the mean of those that are not 0: (N, N).

    As the authors compute them, so that a distance has a gradient everywhere.
    """
    squares = features.square().sum(1)
    found = squares[:, None] + squares - 2 * features @ features.T
    others = 1 - torch.eye(len(features), dtype=found.dtype, device=found.device)
    found = found.clamp(min=1e-12).sqrt() * others
    return found / (found.sum() / others.sum())


def angles(features: Tensor) -> Tensor:
    """The cosines of the angles at each example between any two others: (N, N, N)."""
    directions = functional.normalize(features[None] - features[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


LOSSES: dict[str, Compare] = {
    "kd": kd,
    "fitnet": fitnet,
    "at": at,
    "rkd": rkd,
    "dkd": dkd,
    "dist": dist,
}


# ---- what has to fit, and what is learned --------------------------------------------------------


def hinted(loss: Loss, stages: Mapping[str, Tensor]) -> str:
    """The stage that fitnet compares; `UserError` where there are fewer."""
    behind = [*stages][1:]
    if loss.hint_layer > len(behind):
        raise UserError(
            f"recipe.loss.hint_layer: {loss.hint_layer}; the net's stages are {', '.join(behind)}"
        )
    return behind[loss.hint_layer - 1]


def refuse_unlike(loss: Loss, student: Outputs, teacher: Outputs) -> None:
    """`UserError` where a loss cannot hold these against each other."""
    ours, theirs = [*student.stages][1:], [*teacher.stages][1:]
    if loss.name == "at" and len(ours) != len(theirs):
        raise UserError(
            f"recipe.loss: at compares stage by stage; the net has {len(ours)}, its teacher "
            f"{len(theirs)}"
        )
    if loss.name != "fitnet":
        return
    a, b = (found.stages[hinted(loss, found.stages)] for found in (student, teacher))
    if a.shape[2:] != b.shape[2:]:
        sides = (" × ".join(map(str, f.shape[2:])) for f in (a, b))
        raise UserError(
            f"recipe.loss.hint_layer: {loss.hint_layer}: the net has images of "
            f"{' pixels there, its teacher of '.join(sides)}; take another layer"
        )


def regressor(loss: Loss, student: Outputs, teacher: Outputs) -> nn.Module | None:
    """What fitnet learns beside the net, freshly drawn; None for losses that learn nothing."""
    if loss.name != "fitnet":
        return None
    a, b = (found.stages[hinted(loss, found.stages)] for found in (student, teacher))
    return REGRESSORS[loss.regressor](a.shape[1], b.shape[1]).to(a)


REGRESSORS: dict[str, Callable[[int, int], nn.Module]] = {
    "conv": lambda inputs, outputs: nn.Conv2d(inputs, outputs, 1),
    "conv_bn_relu": lambda inputs, outputs: nn.Sequential(
        nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()
    ),
}


def regressed(loss: Loss, student: Outputs, through: nn.Module | None) -> Outputs:
    """What a student puts out, the hinted stage through its regressor, where there is one."""
    if through is None:
        return student
    stage = hinted(loss, student.stages)
    return student._replace(stages={**student.stages, stage: through(student.stages[stage])})
