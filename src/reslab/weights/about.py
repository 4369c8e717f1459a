"""What weights are about: which net they belong to, what it takes, and what it answers.

It travels with them, as JSON in a safetensors file (a whitening as a tensor) and as plain values
and tensors in a checkpoint, and is read through a description: files come from anywhere.
"""

import json
import math
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from torch import Tensor

from reslab.config.problems import problems
from reslab.config.python import beside
from reslab.config.run import RunConfig
from reslab.config.use import Use
from reslab.data.normalize import Normalization
from reslab.errors import UserError


@dataclass(frozen=True)
class About:
    """What weights mean: a run's description, or what was said of somebody else's."""

    config: RunConfig | Use
    normalization: Normalization
    class_names: tuple[str, ...]

    @property
    def use(self) -> Use:
        """The net, its images, and how photographs become these."""
        return self.config if isinstance(self.config, Use) else Use.of_run(self.config)

    def as_json(self) -> str:
        """One line; `from_json` gives back equal values, bit for bit.

        Of a folder, a file, a net of one's own, and weights that a run started from, only the name
        is told, not where they lie.
        """
        config = self.config.model_dump(mode="json")
        fields = ("data", "folder"), *((part, "file") for part in WITH_FILES)
        for part, field in fields:
            if (said := config.get(part)) and said.get(field):
                said[field] = Path(said[field]).name
        return json.dumps(
            {
                "config": config,
                "normalization": _as_plain(self.normalization),
                "class_names": self.class_names,
            },
            ensure_ascii=False,
            allow_nan=False,
        )

    def beside(self, folder: Path) -> "About":
        """The same with the code of a net of one's own in a folder, under its name."""
        return replace(self, config=beside(self.config, folder))

    @classmethod
    def from_json(cls, text: str, whitening: Tensor | None = None) -> "About":
        """What `as_json` described; `UserError` for anything else.

        A `whitening` that lies beside the text takes the place of one in it.
        """
        try:
            part = _Part.model_validate_json(text)
            if whitening is not None:
                part.normalization.whitening = whitening
            return _about(part)
        except ValidationError as error:
            raise UserError(_told(error)) from None

    @classmethod
    def from_checkpoint(cls, held: Any) -> "About":
        """The same from a checkpoint's plain values and tensors."""
        try:
            return _about(_Part.model_validate(held))
        except ValidationError as error:
            raise UserError(_told(error)) from None


def _as_plain(normalization: Normalization) -> dict[str, Any]:
    """Numbers as lists; a whitening matrix, 38 MB for CIFAR, as its bytes in base64."""
    state = normalization.state()
    plain: dict[str, Any] = {"kind": state["kind"]}
    plain |= {"mean": state["mean"].tolist(), "std": state["std"].tolist()}
    if "whitening" in state:
        plain["whitening"] = b64encode(state["whitening"].numpy().astype("<f4").tobytes()).decode()
    return plain


# ---- reading -------------------------------------------------------------------------------------


def _tensor(value: Any) -> Any:
    """A tensor, or lists of numbers as one, float32."""
    try:
        return torch.tensor(value) if isinstance(value, list) else value
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"no tensor: {str(error).partition(chr(10))[0][:80]}") from None


def _matrix(value: Any) -> Any:
    """A square matrix, or the bytes of one in base64."""
    if not isinstance(value, str):
        return value
    content = b64decode(value, validate=True)
    side = math.isqrt(len(content) // 4)
    if len(content) != 4 * side * side:
        raise ValueError(f"no square matrix of {len(content):,} bytes")
    return torch.from_numpy(np.frombuffer(content, "<f4").reshape(side, side).astype(np.float32))


class _Normalization(BaseModel):
    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True)

    kind: str
    mean: Annotated[Tensor, BeforeValidator(_tensor)]
    std: Annotated[Tensor, BeforeValidator(_tensor)]
    whitening: Annotated[Tensor, BeforeValidator(_matrix)] | None = None


class _Part(BaseModel):
    """Our own part of a file of weights."""

    model_config = ConfigDict(strict=True)

    config: str | dict[str, Any]
    """Text in a checkpoint."""
    normalization: _Normalization
    class_names: list[str]


def _about(part: _Part) -> About:
    config, read = _config(part.config), part.normalization
    whitening = {} if read.whitening is None else {"whitening": read.whitening}
    normalization = Normalization.from_state(
        {"kind": read.kind, "mean": read.mean, "std": read.std, **whitening}  # type: ignore[typeddict-item]
    )
    about = About(config, normalization, tuple(part.class_names))
    use = about.use
    size = use.image_size
    if size > MOST_PIXELS:
        raise UserError(
            f"{WHOSE}: its images are {size:,} pixels a side, more than {MOST_PIXELS:,}"
        )
    normalization.refuse_unfit((use.model.in_channels, size, size))
    if len(about.class_names) != use.model.classes:
        raise UserError(
            f"{WHOSE}: it names {len(about.class_names):,} classes; its net has "
            f"{use.model.classes:,}"
        )
    return about


def refuse_untrained_head(path: Path, about: About | None) -> None:
    """`UserError` for weights of a run that was trained without labels: its head says nothing."""
    config = about.config if about else None
    if isinstance(config, RunConfig) and not config.recipe.objective.is_of_classes:
        raise UserError(
            f"{path} was trained without labels (recipe.objective: {config.recipe.objective.name}):"
            " its head is as it was drawn; train one on top, in a run with start: and trains: head"
        )


WITH_FILES = ("data", "model", "start", "teacher")
"""Parts of a run that say where a file lies."""
MOST_PIXELS = 4096
"""A side of images that takes no absurd memory."""
WHOSE = "the run that the weights are of"


def _config(config: str | dict[str, Any]) -> RunConfig | Use:
    text = config if isinstance(config, str) else json.dumps(config)
    is_use = isinstance(config, dict) and "recipe" not in config
    description: type[RunConfig | Use] = Use if is_use else RunConfig
    try:
        return description.model_validate_json(text)
    except ValidationError as error:
        raise UserError(problems(error, WHOSE, description)) from None


def _told(error: ValidationError) -> str:
    [first, *more] = error.errors(include_url=False, include_input=False)
    path = ".".join(map(str, first["loc"])) or "it"
    others = f", and {len(more)} more" if more else ""
    return f"what it says of its run is damaged: {path}: {first['msg']}{others}"
