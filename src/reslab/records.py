"""What the JSON files of an experiment and its runs hold, as far as it is read: their schema.

Files are read back after kills, copies and edits. One that is not what it should be is a
`UserError` that names the file, and the line or the dotted path in it.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from reslab.errors import UserError

Count = Annotated[int, Field(ge=0)]
Number = float  # whole ones, too


def _is_a_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time in UTC, such as 2026-01-31T12:00:00Z")
    return text


Time = Annotated[str, AfterValidator(_is_a_time)]
FolderName = Annotated[str, Field(pattern=r"^[^./\\\x00][^/\\\x00]*$")]


class Record(BaseModel):
    """A JSON object; keys that nobody reads may be there, too."""

    model_config = ConfigDict(extra="allow", strict=True)


class Score(Record):
    """Errors on one split, in per cent."""

    top1_error: Number
    top5_error: Number | None = None


class Evaluation(Score):
    """`eval-*.json`."""

    assumed: list[str] = []


class Result(Record):
    """`result.json`."""

    status: Literal["done", "diverged"]
    step: Count
    selected_step: Count | None = None
    train: Score | None = None
    test: Score | None = None
    lr: Number | None = None
    code: str | None = None
    seconds: Number | None = None
    multiply_adds: Count | None = None
    normalization_batch: Count | None = None
    undecodable: Count | None = None

    @model_validator(mode="after")
    def _has_scores(self) -> "Result":
        if self.status == "done" and not (self.train and self.test):
            raise ValueError("a run that is done has train and test")
        return self


class Start(Record):
    """One entry of `env.json`."""

    time: Time | None = None
    run_id: str | None = None
    resumed: bool | None = None
    code: str | None = None
    device: str | None = None
    devices: Annotated[int, Field(ge=1)] | None = None
    micro_batch: Count | None = None
    sync_batchnorm: bool | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    normalization_batch: Count | None = None


class Crash(Record):
    """`error.json`."""

    message: str


class Tracking(Record):
    """`tracking.json`."""

    id: str


class Metrics(Record):
    """One line of `metrics.jsonl`: a step and numbers."""

    __pydantic_extra__: dict[str, Number | None]
    step: Count


class PlannedVariant(Record):
    """A row of the plan."""

    label: str
    difference: dict[str, Any]
    params: Count
    multiply_adds: Count
    runs: list[FolderName]
    published: dict[str, str | None] | None = None
    note: str | None = None


class Plan(Record):
    """`plan.json`."""

    experiment: FolderName
    title: str
    options: dict[str, Any]
    published: str | None
    variants: list[PlannedVariant]


Shape = TypeAdapter[Any]
RESULT: Shape = TypeAdapter(Result)
STARTS: Shape = TypeAdapter(list[Start])
CRASH: Shape = TypeAdapter(Crash)
TRACKING: Shape = TypeAdapter(Tracking)
EVALUATION: Shape = TypeAdapter(Evaluation)
METRICS: Shape = TypeAdapter(Metrics)
PLAN: Shape = TypeAdapter(Plan)


def parse(text: str | bytes, shape: Shape | None = None) -> Any:
    """The value in a JSON text, with what `shape` asks for; `ValueError` says why not."""
    try:
        value = json.loads(text)
        if shape is not None:
            shape.validate_python(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None
    return value


def read(path: Path, shape: Shape | None = None, remedy: str = "") -> Any:
    """The value in a JSON file, None if there is no such file; `UserError` for a damaged one."""
    try:
        return parse(path.read_bytes(), shape)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        remedy = remedy or "bring it back, or remove it"
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None
