"""What all descriptions are: frozen values without unknown fields, which set nothing that is not
read; and the numbers that they hold."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reslab.config.trees import spelled

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NonNegativeInt = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Not:
    """All values but one."""

    value: object


Beside = Mapping[str, tuple[str, ...] | Not]
"""Fields, and for each the values that it must have for another to be read."""


class Description(BaseModel):
    """A frozen value without unknown fields.

    A field that is not read beside the values of the others must be at its default: so no two
    values describe one thing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    READ_BESIDE: ClassVar[Mapping[str, Beside | tuple[Beside, ...]]] = {}
    """Of fields that are not always read: beside what they are, or several such, one of which
    must hold."""

    @property
    def unread(self) -> frozenset[str]:
        """Dotted names of the fields that are not read, whatever their value; parts' included."""
        parts = ((name, part) for name, part in self if isinstance(part, Description))
        below = {f"{name}.{field}" for name, part in parts for field in part.unread}
        return frozenset({*self._own_unread(), *below})

    def _own_unread(self) -> Iterator[str]:
        for field in self.READ_BESIDE:
            if all(any(self._against(beside)) for beside in self._ways(field)):
                yield field

    def _ways(self, field: str) -> tuple[Beside, ...]:
        found = self.READ_BESIDE[field]
        return found if isinstance(found, tuple) else (found,)

    def _against(self, beside: Beside) -> Iterator[str]:
        """The fields whose values are others than these."""
        for field, allowed in beside.items():
            value = getattr(self, field)
            if value == allowed.value if isinstance(allowed, Not) else value not in allowed:
                yield field

    @model_validator(mode="after")
    def _reads_what_is_set(self) -> Self:
        defaults = {field: type(self).model_fields[field].default for field in self._own_unread()}
        idle = {f: default for f, default in defaults.items() if getattr(self, f) != default}
        if idle:
            raise ValueError(self._refusal(idle))
        return self

    def _refusal(self, idle: Mapping[str, object]) -> str:
        """Of fields that are set and not read, by their defaults; told as the first one's."""
        field = next(iter(idle))
        ways = self._ways(field)
        against = dict.fromkeys(other for beside in ways for other in self._against(beside))
        found = " and ".join(f"{other}: {spelled(getattr(self, other))}" for other in against)
        written = ", ".join(f"{f}: {spelled(default)}" for f, default in idle.items())
        return (
            f"{field}: {spelled(getattr(self, field))} is not read with {found}, but with "
            f"{', or with '.join(map(_told, ways))}; leave it out, or write {written}"
            f"{self._instead(idle)}"
        )

    def _instead(self, idle: Collection[str]) -> str:
        """What else is to be written where these fields are set and not read."""
        return ""


class Named(Description):
    """One of several kinds, which its `name` says: a word is short for one that says no more."""

    @model_validator(mode="before")
    @classmethod
    def _of_word(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


def _told(beside: Beside) -> str:
    return " and ".join(f"{field}{_values(allowed)}" for field, allowed in beside.items())


def _values(allowed: tuple[str, ...] | Not) -> str:
    if isinstance(allowed, Not):
        return f" other than {spelled(allowed.value)}"
    *others, last = map(spelled, allowed)
    return f": {', '.join(others)} or {last}" if others else f": {last}"


def described(annotation: Any) -> list[type[Description]]:
    """The descriptions that an annotated field may hold: of `X | None` X, of a union all."""
    if isinstance(annotation, type) and issubclass(annotation, Description):
        return [annotation]
    return [found for part in get_args(annotation) for found in described(part)]


def holds_words(annotation: Any) -> bool:
    """Whether an annotated field may hold a word, beside descriptions or without."""
    return get_origin(annotation) is Literal or any(map(holds_words, get_args(annotation)))
