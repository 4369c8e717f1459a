"""Norms that would read one value per channel are refused, from a net's description alone.

In training a BatchNorm divides by the standard deviation of each channel over the examples and
pixels that it sees at once; torch refuses one value, which has none.
"""

from reslab.config.costs import norm_sides
from reslab.config.run import RunConfig, input_size
from reslab.errors import UserError
from reslab.execution import Execution
from reslab.text import counted


def refuse_single_values(config: RunConfig, execution: Execution, ranks: int) -> None:
    """`UserError` for a net of ours with a BatchNorm, in training mode, that sees one example of
    1 × 1 pixels, and for what trains beside a net where it sees one."""
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
