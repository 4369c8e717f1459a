"""How fast photographs are read, from files and from the prepared store, beside torchvision's
ImageFolder on the same files and beside the training step of ResNet-18; and a ResNeXt block in the
three forms of Xie 2017, Fig. 3.

  make bench ARGS=photographs                   imagenette_mini at 128 pixels
  make bench ARGS='photographs imagefolder --folder ~/photos --size 224 --shorter-side 256'

RESLAB_WORKERS says how many worker processes; by default they fit the cores. All readers give the
same batches in kind: random crops of the same files (torchvision's RandomResizedCrop), flipped at
random, normalised, float32, on the training device, with the same number of worker processes.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

import torch
from benchmarks.forms import form_a, form_b, form_c
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from reslab.arguments import MOST_SIDE, Parser, number, whole
from reslab.config.data import Photographs
from reslab.config.datasets import PHOTOGRAPHS
from reslab.config.photographs import root_of
from reslab.config.recipe import IMAGENET
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.data.modules import data_module
from reslab.data.photographs.prepared import prepare
from reslab.data.workers import default_workers
from reslab.errors import UserError, exit_code
from reslab.models.nets import build
from reslab.models.precision import default_device
from reslab.text import counted, markdown_table
from reslab.training.optimizers import build_optimizer

Batches = Iterable[tuple[Tensor, ...]]
T = TypeVar("T")


def bench(data: dict[str, Any], size: int, shorter_side: int, batch: int, seconds: float) -> str:
    """Images per second of each reader and of ResNet-18's training step, as a table.

    Each is measured for about `seconds` after its first batch. The prepared store of that shorter
    side is made if it is not there.
    """
    config = _config(data, size, batch)
    stored = _config({**data, "prepared": shorter_side}, size, batch)
    workers, device = default_workers(), default_device()
    root = root_of(config.data)
    prepare(root, shorter_side)
    readers: dict[str, Callable[[], Batches]] = {
        "torchvision's ImageFolder and DataLoader": lambda: _image_folder(config, root, workers),
        "reslab, from the files": lambda: _ours(config),
        f"reslab, from the store of shorter side {shorter_side}": lambda: _ours(stored),
    }
    rates = {
        name: images_per_second(lambda batch: None, _on(device, open_reader()), seconds)
        for name, open_reader in _told_of(readers)
    }
    steps = {"ResNet-18's training step, nothing read": partial(_step_rate, config)}
    rates |= {name: rate(device, seconds) for name, rate in _told_of(steps)}
    with_workers = counted(workers, "worker process", "worker processes")
    what = f"{size} × {size} pixels, batches of {batch}, {with_workers}"
    return _table(rates, "images/s", f"{what}, {_told(device)}")


def bench_forms(seconds: float) -> str:
    """The forms of a ResNeXt block, Xie 2017 (arXiv 1611.05431), Fig. 3, as a table."""
    rates = forms_per_second(seconds)
    return _table(
        {f"ResNeXt block 32×4d, form {form}": rate for form, rate in rates.items()},
        "images/s",
        f"forward and backward, 256 × 14 × 14, batches of 16, {_told(default_device())}",
    )


def forms_per_second(seconds: float) -> dict[str, float]:
    """Images per second, forward and backward, of each form of a block with 32 paths."""
    torch.manual_seed(0)
    block, device = form_c(32, 4, 256), default_device()
    block.to(device)
    images = torch.rand(16, 256, 14, 14, device=device)
    forms: dict[str, Callable[[Tensor], Tensor]] = {
        "(a)": partial(form_a, block),
        "(b)": partial(form_b, block),
        "(c)": block,
    }

    def step(form: Callable[[Tensor], Tensor]) -> Callable[[tuple[Tensor, ...]], None]:
        return lambda batch: torch.autograd.backward(form(batch[0]).sum())

    batches = repeat((images, images))
    return {name: images_per_second(step(form), batches, seconds) for name, form in _told_of(forms)}


def _told_of(things: dict[str, T]) -> Iterator[tuple[str, T]]:
    """Each with its name, which is said on stderr before it is measured."""
    for name, thing in things.items():
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        yield name, thing


def images_per_second(
    use: Callable[[tuple[Tensor, ...]], object], batches: Batches, seconds: float
) -> float:
    """Images of `batches` that are used in a second, after the first batch; at least 3 batches."""
    images, used = 0, iter(batches)
    use(next(used))
    _wait()
    began = time.perf_counter()
    for place, batch in enumerate(used, 1):
        use(batch)
        images += len(batch[1])
        if place >= 3 and time.perf_counter() - began > seconds:
            break
    _wait()
    return images / (time.perf_counter() - began)


def _config(data: dict[str, Any], size: int, batch: int) -> RunConfig:
    recipe = {
        "steps": 1000,
        "batch_size": batch,
        "optimizer": {"lr": 0.1, "momentum": 0.9},
        "schedule": {"name": "constant"},
        "normalization": "imagenet",
        "augmentation": {"flip": True},
        "photographs": {"size": size, "crop": "area", "test_shorter_side": size},
    }
    return resolve({"model": "resnet18", "data": data, "recipe": recipe}, "bench")


def _photographs(config: RunConfig) -> Photographs:
    assert config.recipe.photographs is not None  # as `_config` says
    return config.recipe.photographs


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _ours(config: RunConfig) -> Batches:
    data = data_module(config)
    data.prepare_data()
    data.setup()
    data.normalization = data.normalization.to(default_device())
    return data.train_dataloader()


def _image_folder(config: RunConfig, root: Path, workers: int) -> Iterator[tuple[Tensor, ...]]:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    photographs = _photographs(config)
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(photographs.size, photographs.area, photographs.aspect_ratio),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(*IMAGENET),
        ]
    )
    loader = DataLoader(
        ImageFolder(root / "train", transform),
        config.recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        pin_memory=default_device().type == "cuda",
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def _on(device: torch.device, batches: Batches) -> Iterator[tuple[Tensor, ...]]:
    for batch in batches:
        yield tuple(part.to(device, non_blocking=True) for part in batch)


def _step_rate(config: RunConfig, device: torch.device, seconds: float) -> float:
    net = build(config.model).to(device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(net, config.recipe.optimizer)
    size = _photographs(config).size
    images = torch.rand(config.recipe.batch_size, 3, size, size, device=device)
    targets = torch.zeros(len(images), dtype=torch.int64, device=device)

    def step(batch: tuple[Tensor, ...]) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(net(batch[0]), batch[1]))
        optimizer.step()

    return images_per_second(step, repeat((images, targets)), seconds)


def _told(device: torch.device) -> str:
    return f"{counted(torch.get_num_threads(), 'thread')}, {device.type}"


def _table(rates: dict[str, float], unit: str, what: str) -> str:
    first = next(iter(rates.values()))
    rows = [[name, f"{rate:,.0f}", f"{rate / first:.2g}"] for name, rate in rates.items()]
    head = ["", unit, "times the first"]
    return f"{markdown_table(head, rows, numeric=range(1, 3))}\n\n{what}"


def parser() -> Parser:
    """The command line."""
    top = Parser(description=__doc__)
    top.add_argument("data", nargs="?", default="imagenette_mini", choices=PHOTOGRAPHS)
    top.add_argument("--folder", help="of imagefolder: where it lies, with train/ and val/")
    top.add_argument(
        "--size",
        type=whole("--size", most=MOST_SIDE),
        default=128,
        metavar="N",
        help="of the crops, in pixels",
    )
    top.add_argument(
        "--shorter-side",
        type=whole("--shorter-side", most=MOST_SIDE),
        default=160,
        metavar="N",
        help="of the prepared store",
    )
    top.add_argument(
        "--batch",
        type=whole("--batch", most=100_000),
        default=32,
        metavar="N",
        help="images in a batch",
    )
    top.add_argument(
        "--seconds",
        type=number("--seconds", 10, most=86_400),
        default=10,
        metavar="S",
        help="how long each is measured",
    )
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, and print the tables."""
    arguments = parser().parse_args(words)
    if (arguments.data == "imagefolder") != (arguments.folder is not None):
        raise UserError("--folder belongs to imagefolder, which needs it")
    data = {"name": arguments.data}
    if arguments.folder is not None:
        data["folder"] = arguments.folder
    print(bench(data, arguments.size, arguments.shorter_side, arguments.batch, arguments.seconds))
    print(f"\n{bench_forms(arguments.seconds / 4)}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
