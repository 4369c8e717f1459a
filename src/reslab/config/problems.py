"""What is wrong with a tree that describes nothing: of what pydantic has found a line per problem,
with its file, its dotted path, the value and what is allowed."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reslab.config.description import Description, described
from reslab.config.nets import FAMILIES
from reslab.config.recipe import UNNAMED
from reslab.config.trees import Tree, spelled
from reslab.errors import UserError, did_you_mean, nearest, together
from reslab.text import shortened

D = TypeVar("D", bound=Description)

PlaceOf = Callable[[str], str]
"""Where a dotted path stands, for people: a file and a path in it; of "" where the tree does."""


def place_of(where: str | PlaceOf) -> PlaceOf:
    """The place of every path of a tree that stands in one place."""
    if callable(where):
        return where
    return lambda path: f"{where}: {path}" if path else where


def validated(description: type[D], tree: Tree, where: str | PlaceOf) -> D:
    """The value that a tree without names describes; `UserError` with its problems otherwise."""
    try:
        return description.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise UserError(problems(error, where, description)) from None


def reason(error: ValidationError) -> str:
    """What is wrong with values that nobody has written as a tree, without their places."""
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(_without_kind(each["msg"]) for each in found)


def _without_kind(message: str) -> str:
    return message.removeprefix("Value error, ")


def problems(error: ValidationError, where: str | PlaceOf, description: type[Description]) -> str:
    """One line per problem."""
    place = place_of(where)
    found = (_problem(detail, description) for detail in error.errors(include_url=False))
    return str(together([f"{place(shortened(path))}: {text}" for path, text in found]))


def _problem(detail: ErrorDetails, description: type[Description]) -> tuple[str, str]:
    """The path of a problem, and what it is."""
    # pydantic names the member of a union in the path; nobody wrote it.
    path = ".".join(p for p in map(str, detail["loc"]) if p not in (*FAMILIES, *UNNAMED))
    message = _without_kind(detail["msg"]).removeprefix("Input should be ")
    match detail["type"]:
        case "value_error":
            return _checked(path, message)
        case "missing":
            return path, "is missing"
        case "extra_forbidden":
            *parents, key = map(str, detail["loc"])
            near = nearest(key, _fields(description, parents))
            return path, f"no such field (got {spelled(detail['input'])}){near}"
        case "union_tag_invalid":
            told = detail["ctx"]
            return f"{path}.family", f"got {spelled(told['tag'])}; expected {told['expected_tags']}"
        case "literal_error":
            near = _near(str(detail["input"]), detail["ctx"]["expected"])
            return path, f"got {spelled(detail['input'])}; expected {message}{near}"
        case kind:
            return path, f"got {spelled(detail['input'])}; expected {EXPECTED.get(kind, message)}"


def _checked(path: str, message: str) -> tuple[str, str]:
    """Path and text of what a description's own check says, `field: text`."""
    field, colon, text = message.partition(": ")
    if not colon or not re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", field):
        return path, message
    return f"{path}.{field}" if path else field, text


def _near(word: str, expected: str) -> str:
    """`; did you mean a?` where one of the words that pydantic lists in quotes is near."""
    return did_you_mean(word, re.findall("'([^']+)'", expected))


EXPECTED = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "at least one entry",
}
"""pydantic's types of problems where YAML has another word for what is allowed."""


def _fields(description: Any, parents: list[str]) -> list[str]:
    """Field names of the description at a path into another; a union's member by its family."""
    for parent in parents:
        if parent in UNNAMED:
            continue
        family = FAMILIES.get(parent)
        description = family or described(description.model_fields[parent].annotation)[0]
    return list(description.model_fields)
