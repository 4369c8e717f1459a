"""Writes this folder's runs with the code of commit 73a3278, on one thread. From the repository:

    git worktree add --detach OLD 73a3278
    cp tests/before/*.yaml OLD/configs/experiments/
    mkdir /srv/before && cd /srv/before
    OMP_NUM_THREADS=1 WANDB_MODE=disabled PYTHONPATH=OLD:OLD/src python …/tests/before/make.py OLD
    cp -r runs photographs …/tests/before/

Of each experiment the run of `residual` with seed 1 is stopped in the middle; `finished.json`
is what that of `before` had come to. What this folder holds does not change with the code.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

OLD = Path(sys.argv[1])
EXPERIMENTS = ("before", "before_photographs", "before_unread")


def photographs(folder: Path) -> None:
    """Red and blue squares with some noise, 24 × 20 pixels."""
    torch.manual_seed(0)
    for split, images in (("train", 6), ("val", 3)):
        for channel, name in ((0, "red"), (2, "blue")):
            (folder / split / name).mkdir(parents=True)
            for image in range(images):
                pixels = torch.randint(0, 60, (5, 6, 3))
                pixels[..., channel] += 150
                squares = pixels.repeat_interleave(4, 0).repeat_interleave(4, 1)
                Image.fromarray(squares.byte().numpy()).save(folder / split / name / f"{image}.png")


def script(name: str, *words: str) -> None:
    subprocess.run([sys.executable, OLD / "scripts" / name, *words])


def stop(pattern: str, step: int) -> None:
    """Train the run anew, up to a step."""
    from tests.training.conftest import stopped_at  # the old one

    from reslab.training.start import start

    [folder] = Path("runs").glob(pattern)
    for name in ("result.json", "last.ckpt", "metrics.jsonl", "env.json"):
        (folder / name).unlink()
    with stopped_at(step):
        start(folder / "config.yaml")


if __name__ == "__main__":
    photographs(Path("photographs"))
    for name in EXPERIMENTS:
        script("experiment.py", "run", name, "--seeds", "2")
    [residual] = map(str, Path("runs/before").glob("residual-s0-*"))
    [ten_crop] = map(str, Path("runs/before_photographs").glob("residual-s0-*"))
    script("export.py", residual, "--to", "safetensors", "runs/residual.safetensors")
    script("evaluate.py", ten_crop, "--views", "ten_crop")
    [whole] = Path("runs/before").glob("residual-s1-*")
    shutil.copy(whole / "result.json", "runs/finished.json")  # what the whole run had come to
    for name in EXPERIMENTS:
        stop(f"{name}/residual-s1-*", 3 if name == "before_photographs" else 25)

    read = [residual, *map(str, Path("runs").glob("before*[!d]/residual-s1-*"))]
    for file in Path("runs").glob("*/*/last.ckpt"):  # few bytes: those that a test reads
        if str(file.parent) not in read:
            file.unlink()
    for pattern in ("*/*/lock", "*/table.*"):
        for file in Path("runs").glob(pattern):
            file.unlink()

    from reslab import load

    torch.manual_seed(0)
    images = torch.randn(4, 1, 8, 8)
    logits = load("runs/residual.safetensors")(images)
    torch.save({"images": images, "logits": logits.detach()}, "runs/logits.pt")
