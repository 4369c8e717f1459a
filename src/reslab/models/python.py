"""Nets of one's own, from a Python file that is run: `python_net` builds them, `refuse_unfit` looks
whether they do what a net does here.

What goes wrong in somebody's file is told with the file and the line of theirs where it did.
"""

import copy
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from reslab.config.nets import GIVEN, PythonNet
from reslab.config.python import source
from reslab.errors import UserError, nearest
from reslab.text import shortened


def python_net(net: PythonNet) -> nn.Module:
    """The net that the file's class or function makes, on the CPU; `UserError` where it makes none.

    A file is run once in a process.
    """
    module = _run(net)
    if not hasattr(module, net.entrypoint):
        near = nearest(net.entrypoint, _makers(module))
        raise UserError(f"{net.file} has no {net.entrypoint}{near}")
    make = getattr(module, net.entrypoint)
    if isinstance(make, nn.Module) or not callable(make):
        raise UserError(
            f"{net.name} is no class and no function, but a {type(make).__name__}; name what makes "
            "the net"
        )
    arguments = _arguments(make, net)
    with torch.device("cpu"), in_words(net):
        made = make(**arguments)
    _refuse_no_net(made, net)
    return made  # type: ignore[no-any-return]


def _makers(module: ModuleType) -> list[str]:
    """Classes of nets and functions that the file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
        and (inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, nn.Module)))
    ]


def _run(net: PythonNet) -> ModuleType:
    with torch.device("cpu"), in_words(net):
        return _module(net.file, net.sha256, source(net))


@cache
def _module(file: str, sha256: str, content: bytes) -> ModuleType:
    """What a file defines; what was read is what is run."""
    module = ModuleType(f"reslab_python_{sha256[:16]}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # dataclasses look for theirs there
    exec(compile(content, file, "exec"), vars(module))
    return module


def _arguments(make: Callable[..., Any], net: PythonNet) -> dict[str, Any]:
    """The net's arguments, and of those that the run gives the ones that it has a parameter for."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # of something compiled
        return dict(net.arguments)
    given = {
        name: getattr(net, field)
        for field, names in GIVEN.items()
        for name in names
        if name in signature.parameters
    }
    arguments = {**dict(net.arguments), **given}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise UserError(f"{net.name}{signature}: {error} (arguments: {_told(net)})") from None
    return arguments


def _told(net: PythonNet) -> str:
    return ", ".join(name for name, _ in net.arguments) or "none"


def _refuse_no_net(made: Any, net: PythonNet) -> None:
    if not isinstance(made, nn.Module):
        raise UserError(f"{net.name} makes a {type(made).__name__}; expected a torch.nn.Module")
    parameters = list(made.parameters())
    if any(is_lazy(one) for one in parameters):
        raise UserError(
            f"{net.name} has layers that find their size at their first use (LazyLinear …); "
            "give their sizes"
        )
    if not any(parameter.requires_grad for parameter in parameters):
        raise UserError(f"{net.name} has no parameters that train")


# ---- what it does --------------------------------------------------------------------------------


def refuse_unfit(made: nn.Module, net: PythonNet, size: int) -> None:
    """`UserError` for a net that does not make logits (N, classes) of images (N,
    in_channels, `size`, `size`), in training or in evaluation. A copy is asked, with zeros."""
    with in_words(net):
        asked = copy.deepcopy(made)
    first = next(asked.parameters())
    images = torch.zeros(2, net.in_channels, size, size, dtype=first.dtype, device=first.device)
    for mode in ("evaluation", "training"):
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            with in_words(net, f" for images of shape {tuple(images.shape)}, in {mode}"):
                logits = asked.train(mode == "training")(images)
            _refuse_no_logits(logits, net, mode)


def _refuse_no_logits(logits: Any, net: PythonNet, mode: str) -> None:
    expected = (2, net.classes)
    found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    if found != expected:
        raise UserError(
            f"{net.name} makes {found} of 2 images, in {mode}; expected {expected}: logits for "
            f"{net.classes:,} classes, whose number it is given as num_classes (or classes) if it "
            "has a parameter of that name"
        )


# ---- errors --------------------------------------------------------------------------------------


@contextmanager
def in_words(net: PythonNet, when: str = "") -> Iterator[None]:
    """`UserError`, a line, for whatever the code of a net raises."""
    try:
        yield
    except UserError:
        raise
    except SyntaxError as error:
        place = f"{error.filename or net.file}:{error.lineno or 1}"
        raise UserError(f"{place}: {type(error).__name__}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        hint = NOT_COPIED if isinstance(error, ImportError) else ""
        raise UserError(f"{_place(net, error)}: {_line(error)}{when}{hint}") from error


NOT_COPIED = "; files beside it are not copied with it: a net is one file, and what is installed"


def _place(net: PythonNet, error: BaseException) -> str:
    """The last line of the file that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == net.file]
    return f"{net.file}:{lines[-1]}" if lines else net.name


def _line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return shortened(f"{type(error).__name__}: {text}" if text else type(error).__name__, 300)
