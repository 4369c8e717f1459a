"""What the JSON files of an experiment and its runs hold, as far as it is read: their schema.

Files are read back after kills, copies and edits. One that is not what it should be is a
`UserError` that names the file, and the line or the dotted path in it.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from reslab.config.description import NonNegativeInt
from reslab.disk import Shape
from reslab.execution import Form

RECORDED = ("torch", "torchvision", "lightning", "torchmetrics", "timm", "numpy")
"""Their versions are recorded with every start, beside Python's."""

Number = float  # whole ones, too


def _is_a_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time in UTC, such as 2026-01-31T12:00:00Z")
    return text


Time = Annotated[str, AfterValidator(_is_a_time)]


class Record(BaseModel):
    """A JSON object; keys that nobody reads may be there, too."""

    model_config = ConfigDict(extra="allow", strict=True)


class Score(Record):
    """Errors on one split, in per cent."""

    examples: NonNegativeInt | None = None
    wrong: NonNegativeInt | None = None
    loss: Number | None = None
    top1_error: Number
    top5_error: Number | None = None


class Evaluation(Score):
    """`eval-*.json`."""

    assumed: list[str] = []


class Result(Record):
    """`result.json`."""

    status: Literal["done", "diverged"]
    step: NonNegativeInt
    selected_step: NonNegativeInt | None = None
    train: Score | None = None
    test: Score | None = None
    lr: Number | None = None
    code: str | None = None
    seconds: Number | None = None
    multiply_adds: NonNegativeInt | None = None
    trainable: NonNegativeInt | None = None
    normalization_batch: NonNegativeInt | None = None
    undecodable: NonNegativeInt | None = None

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
    micro_batch: NonNegativeInt | None = None
    sync_batchnorm: bool | None = None
    form: Form | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    normalization_batch: NonNegativeInt | None = None
    taken_from: str | None = None


class Normalization(Record):
    """Numbers of pixels / 255, one per channel."""

    kind: str
    mean: list[Number]
    std: list[Number]


class Begun(Record):
    """`start.json`, and `teacher.json`."""

    origin: str
    digest: str
    normalization: Normalization | None = None


class Crash(Record):
    """`error.json`."""

    message: str


class Tracking(Record):
    """`tracking.json`."""

    id: str


class Job(Record):
    """`job.json`."""

    job: Annotated[str, Field(pattern=r"^[0-9]+(_[0-9]+)?$")]
    cluster: str
    name: str | None = None
    """Its own, in squeue; older files have none."""


class Owner(Record):
    """`lock`: who trains the run."""

    token: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Nobody else's."""
    host: Annotated[str, Field(max_length=255)]
    boot: str
    """Since which start of the host, and in which container, processes have their numbers."""
    pid: int
    started: int | None
    """When its process was started, in the host's units."""
    job: Annotated[str, Field(max_length=255)] | None
    """SLURM's."""
    taken_from: str | None
    """Who was silent and had it before, in words."""


class Metrics(Record):
    """One line of `metrics.jsonl`: a step and numbers."""

    __pydantic_extra__: dict[str, Number | None]
    step: NonNegativeInt


class Diagnostics(Record):
    """One line of `diagnostics.jsonl`: numbers by the names of layers."""

    step: NonNegativeInt
    gradients: dict[str, Number | None] | None = None
    responses: dict[str, Number | None] | None = None


RESULT: Shape = TypeAdapter(Result)
STARTS: Shape = TypeAdapter(list[Start])
BEGUN: Shape = TypeAdapter(Begun)
CRASH: Shape = TypeAdapter(Crash)
TRACKING: Shape = TypeAdapter(Tracking)
JOB: Shape = TypeAdapter(Job)
EVALUATION: Shape = TypeAdapter(Evaluation)
METRICS: Shape = TypeAdapter(Metrics)
DIAGNOSTICS: Shape = TypeAdapter(Diagnostics)
