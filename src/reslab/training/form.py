"""The forms in which a step's loss and its gradients are computed (`execution.Form`); which one a
run has says `experiments.form`.

A form changes no draw, no key of a checkpoint and nothing of the net itself, which evaluations and
diagnostics go on to call as it is; what differs is the order in which sums are rounded.
"""

import logging
from collections.abc import Callable, Mapping

import torch
from torch import nn

from reslab.execution import Form
from reslab.training.graphs import captured
from reslab.training.step import Loss


def eager(loss: Loss, net: nn.Module) -> Loss:
    """Call by call."""
    return loss


def compiled(loss: Loss, net: nn.Module) -> Loss:
    """Forward, loss and their backward as code of torch's inductor, made at the first call.

    Dropout draws from torch's generator as it does without. What torch does not know how to compile
    is computed as it is between compiled parts. A run compiles with its own threads and no more.
    """
    from torch._inductor import config

    config.compile_threads = torch.get_num_threads()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # a CUDA it looks for
    made: Loss = torch.compile(loss, dynamic=False, options={"fallback_random": True})
    return made


FORMS: Mapping[Form, Callable[[Loss, nn.Module], Loss]] = {
    "eager": eager,
    "compiled": compiled,
    "cuda graphs": captured,
}
"""From what gives the loss of a batch, and the net that it trains, to the same in that form."""
