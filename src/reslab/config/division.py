"""What cannot be where a batch is divided among processes, or into micro-batches, is refused from a
run's description alone."""

from reslab.config.costs import norm_sides
from reslab.config.losses import WHOLE
from reslab.config.run import RunConfig, input_size
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.text import counted


def refuse_division(config: RunConfig, execution: Execution, ranks: int) -> None:
    """`UserError` for norms that would read one value per channel, for a loss of whole batches, and
    for a batch that does not divide."""
    _refuse_single_values(config, execution, ranks)
    _refuse_parts(config, execution, ranks)


def _refuse_single_values(config: RunConfig, execution: Execution, ranks: int) -> None:
    """For a net of ours with a BatchNorm, in training mode, that sees one example of 1 × 1 pixels,
    and for what trains beside a net where it sees one: BatchNorm divides by the standard deviation
    of each channel over the examples and pixels that it sees at once, and one value has none."""
    net, size, objective = config.model, input_size(config), config.recipe.objective
    together = execution.normalized_together(config.recipe.batch_size, ranks)
    if together == 1 and not objective.is_of_classes and objective.norm == "batch":
        raise UserError(
            f"recipe.objective: the norms of {objective.name}'s layers would see one example at a "
            "time, which cannot be normalised in training; take a larger batch_size or "
            "micro_batch, fewer devices, or norm: none"
        )
    if (
        together > 1
        or getattr(net, "norm", None) != "batch"
        or 1 not in norm_sides(net, size, config.trains)
    ):
        return
    raise UserError(
        f"recipe.batch_size is {config.recipe.batch_size}, of which a BatchNorm of each of "
        f"{counted(ranks, 'process', 'processes')} sees one example at a time, and the net's "
        f"images shrink from {size} × {size} to 1 × 1 pixels: one value per channel cannot be "
        "normalised in training; take a larger batch_size or micro_batch, fewer devices, or "
        "model.norm: group"
    )


def _refuse_parts(config: RunConfig, execution: Execution, ranks: int) -> None:
    loss, batch_size = config.recipe.loss, config.recipe.batch_size
    parts = ranks * execution.micro_batches(batch_size, ranks)
    if loss.name in WHOLE and parts > 1:
        raise UserError(
            f"recipe.loss: {loss.name} holds all examples of a batch against each other, and "
            f"{counted(ranks, 'process', 'processes')} with MICRO_BATCH="
            f"{batch_size // parts} would see {batch_size // parts} of {batch_size} at a time: "
            "leave MICRO_BATCH and DEVICES out, or take kd, fitnet, at or dkd, which are means "
            "over examples"
        )
