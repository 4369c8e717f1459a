"""A trained net in files for elsewhere, each verified by equal outputs after it was read back.

safetensors: what `reslab.load` reads, with description, normalisation and class names. torchvision:
a state dict under torchvision's names. onnx, torch_export: the computation itself, for any number
of images; what the net is about is `reslab` in the metadata, as JSON. All take normalised images,
float64 of a run in 64-true; but onnx is float32, since onnxruntime has no other convolutions.
"""

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from reslab import disk
from reslab.config.nets import PythonNet
from reslab.config.python import keep_source, source
from reslab.data.batches import dtype_of
from reslab.errors import UserError
from reslab.inference.formats import FORMATS
from reslab.inference.trained import HOW_TO_KEEP, load, merged, trained
from reslab.methods.materialise import restore
from reslab.models.nets import build
from reslab.weights.about import About
from reslab.weights.files import write_safetensors
from reslab.weights.given import NOTHING, Given
from reslab.weights.names import from_torchvision, to_torchvision

Function = Callable[[Tensor], Tensor]
TOLERANCE = 1e-4
"""Largest difference of logits, relative to the largest of them; kernels round differently."""


class Converter(NamedTuple):
    """How a net is written, and read back as a function from images to logits."""

    write: Callable[[Path, nn.Module, About, Tensor], None]
    read: Callable[[Path, About], Function]


def export(
    weights: Path, form: str, file: Path, given: Given = NOTHING, keep_adapters: bool = False
) -> float:
    """Write the net of a run folder or a file of weights as `form`, a key of `FORMATS`.

    Adapters become part of its weights unless they are to be kept. Returns the largest difference
    of logits between the net and the file, relative to the largest logit, on random images.
    `UserError` where it is more than `TOLERANCE`, where packages are missing, where adapters cannot
    be merged, or kept, or where the file's name has another suffix; then nothing is written.
    """
    _check(form, file)
    net, about = trained(weights, given)
    if not keep_adapters:
        net, about = merged(weights, net, about, HOW_TO_KEEP)
    elif about.use.adapter and form == "torchvision":
        raise UserError(f"{weights}: torchvision has no names for adapters; merge them")
    images = example(about)
    with _with_code(about, form, file) as about, disk.replacing(file) as temporary:
        CONVERTERS[form].write(temporary, net, about, images)
        difference = _difference(CONVERTERS[form].read(temporary, about), net, images)
        if not difference <= TOLERANCE:
            raise UserError(
                f"the {form} file of {weights} computes other logits than the net: they differ by "
                f"{difference:.1e} of the largest; nothing was written"
            )
    return difference


@contextmanager
def _with_code(about: About, form: str, file: Path) -> Iterator[About]:
    """With the code of a net of one's own beside the file, under its name; a file that is there and
    is another one is refused. Of the other forms no net is built."""
    net = about.use.model
    if form != "safetensors" or not isinstance(net, PythonNet):
        yield about
        return
    path = file.with_suffix(".py")
    moved = net.model_copy(update={"file": str(path.absolute())})
    if was_there := path.exists():
        _refuse_other_code(path, source(net))
    keep_source(net, path)
    try:
        yield replace(about, config=about.config.model_copy(update={"model": moved}))
    except BaseException:
        if not was_there:
            path.unlink()
        raise


def _refuse_other_code(path: Path, code: bytes) -> None:
    if path.read_bytes() != code:
        raise UserError(
            f"{path} is there, where the code of the net would lie, and is another file; export "
            "under another name"
        )


def example(about: About) -> Tensor:
    """Three random images as the net takes them, (3, C, H, W), equal in every call."""
    use = about.use
    generator = torch.Generator().manual_seed(0)
    shape = 3, use.model.in_channels, use.image_size, use.image_size
    return torch.randn(shape, generator=generator).to(dtype_of(use.precision))


def _check(form: str, file: Path) -> None:
    row = FORMATS[form]
    if file.suffix != row.suffix:
        raise UserError(f"{file}: the name of a {form} file ends in {row.suffix}")
    if not file.parent.is_dir():
        raise UserError(f"{file}: there is no folder {file.parent}")
    missing = [package for package in row.needs if find_spec(package) is None]
    if missing:
        raise UserError(
            f"{form} needs packages that are not installed: {', '.join(missing)}\n"
            "       to install them: pip install 'reslab[export]', in a checkout '.[export]'"
        )


@torch.no_grad()
def _difference(function: Function, net: nn.Module, images: Tensor) -> float:
    """Of the images that the file was made with, and of fewer."""
    pairs = [(function(part), net(part)) for part in (images, images[:1])]
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def _read_torchvision(file: Path, about: About) -> Function:
    theirs = torch.load(file, weights_only=True)
    return restore(about.use, from_torchvision(build(about.use.model), theirs)).eval()


def _write_onnx(file: Path, net: nn.Module, about: About, images: Tensor) -> None:
    program: Any = torch.onnx.export(
        copy.deepcopy(net).float(),
        (images.float(),),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        verbose=False,
    )
    program.model.metadata_props["reslab"] = about.as_json()
    program.save(file, external_data=False)


def _read_onnx(file: Path, _: About) -> Function:
    from onnxruntime import InferenceSession

    session = InferenceSession(file, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"images": images.float().numpy()})
        return torch.from_numpy(logits)

    return run


def _write_torch_export(file: Path, net: nn.Module, about: About, images: Tensor) -> None:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(net, (images,), dynamic_shapes=dynamic)
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files={"reslab": about.as_json()})


def _read_torch_export(file: Path, _: About) -> Function:
    return cast(Function, torch.export.load(io.BytesIO(file.read_bytes())).module())


CONVERTERS = {
    "safetensors": Converter(
        lambda file, net, about, _: write_safetensors(file, net.state_dict(), about),
        lambda file, _: load(file, keep_adapters=True),
    ),
    "torchvision": Converter(
        lambda file, net, *_: torch.save(to_torchvision(net.state_dict()), file), _read_torchvision
    ),
    "onnx": Converter(_write_onnx, _read_onnx),
    "torch_export": Converter(_write_torch_export, _read_torch_export),
}
"""Of every row of `formats.FORMATS`."""
