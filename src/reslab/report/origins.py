"""What a reader should know of the weights that runs started from, out of their `start.json`."""

from collections.abc import Iterator, Mapping
from typing import Any

from reslab.config.recipe import IMAGENET, MeanAndStd, Moments
from reslab.config.run import RunConfig
from reslab.report.runs import Outcome
from reslab.report.text import listed


def starts(outcome: Outcome) -> Iterator[str]:
    """Lines on a variant: seeds that began with different files of one origin, and images that are
    normalised otherwise than those that the weights were trained on."""
    begun, config = {run.seed: run.begun for run in outcome.runs if run.begun}, outcome.config
    if config is None:
        return
    if others := _other_files(begun):
        yield others
    told = (_other_normalization(config, found) for found in begun.values())
    yield from dict.fromkeys(filter(None, told))


def _other_files(begun: Mapping[int, dict[str, Any]]) -> str:
    """Several files where one was said: a published name that is another file elsewhere, or a
    parent's last bits. Of runs, each seed's own parent is another."""
    of_origin: dict[str, dict[str, list[str]]] = {}
    for seed, found in begun.items():
        seeds = of_origin.setdefault(found["origin"], {}).setdefault(found["digest"], [])
        seeds.append(str(seed))
    lines = [
        f"{origin} was not one file for all seeds: "
        + listed([f"SHA-256 {digest[:8]}… (seed {listed(seeds)})" for digest, seeds in f.items()])
        for origin, f in of_origin.items()
        if len(f) > 1
    ]
    return "; ".join(lines)


def _other_normalization(config: RunConfig, begun: dict[str, Any]) -> str | None:
    """What differs from the start's, as far as that is known; None if nothing does.

    A kind that is fitted is the start's where that had the same kind on the same classes.
    """
    ours, theirs = config.recipe.normalization, begun.get("normalization")
    if ours == "start" or theirs is None:
        return None
    numbers = _numbers(ours, len(theirs["mean"]))
    if numbers is None:
        is_same = ours == theirs["kind"] and begun.get("head") == "kept"
    else:
        pairs = zip((*theirs["mean"], *theirs["std"]), (*numbers[0], *numbers[1]), strict=False)
        is_same = all(abs(a - b) < 1e-6 for a, b in pairs)
    if is_same:
        return None
    mean, std = (", ".join(f"{x:.4g}" for x in theirs[name]) for name in ("mean", "std"))
    word = "numbers of its own" if isinstance(ours, Moments) else ours
    said = "" if theirs["kind"] == "given" else f"{theirs['kind']}, "
    whose = f"the start's, {begun['origin']}"
    return f"recipe.normalization: {word}; {whose}: {said}mean {mean}, std {std}"


def _numbers(kind: Any, channels: int) -> MeanAndStd | None:
    """Of a normalisation that is not fitted."""
    if isinstance(kind, Moments):
        return kind.mean, kind.std
    return {"imagenet": IMAGENET, "none": ((0.0,) * channels, (1.0,) * channels)}.get(kind)
