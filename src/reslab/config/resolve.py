"""From the tree that a person writes to a `RunConfig`: names become descriptions.

`model: resnet20` is short for `model: {name: resnet20}`; further fields beside `name` are laid over
the named net's description. A recipe's name is a file in configs/recipes. Input channels and class
count come from the data unless they are given.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reslab.config.datasets import DATASETS
from reslab.config.schema import Description, RunConfig
from reslab.config.strict_yaml import Tree, load_yaml, merge
from reslab.config.zoo import describe
from reslab.errors import UserError, nearest

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def config_names(kind: str) -> list[str]:
    """The names of the files in configs/<kind>, sorted."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


def config_file(kind: str, name: str) -> Path:
    """configs/<kind>/<name>.yaml; `UserError` with the nearest names if there is none."""
    known = config_names(kind)
    if name not in known:
        raise UserError(f"configs/{kind} has no {name!r}{nearest(name, known)}")
    return CONFIGS / kind / f"{name}.yaml"


def resolve(tree: Tree, where: str) -> RunConfig:
    """The run that a tree describes. `where` (a file, or a file and a path) begins every error."""
    tree = merge({"model": {}, "data": {}, "recipe": {}}, tree)
    for part in ("model", "data", "recipe"):
        if not isinstance(tree[part], dict):
            raise UserError(f"{where}: {part}: expected a name or a mapping, got {tree[part]!r}")
    facts = DATASETS.get(str(tree["data"].get("name")))
    shape = {"in_channels": facts.in_channels, "classes": facts.classes} if facts else {}
    model, recipe = dict(tree["model"]), dict(tree["recipe"])
    try:
        if "name" in model:
            named = describe(str(model.pop("name"))).model_dump(mode="json", exclude_defaults=True)
            shape = named | shape
        if "name" in recipe:
            recipe = merge(load_yaml(config_file("recipes", str(recipe.pop("name")))), recipe)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return validate({**tree, "model": shape | model, "recipe": recipe}, where)


def validate(tree: Tree, where: str) -> RunConfig:
    """The run that a tree without names describes; one line per problem otherwise."""
    try:
        return RunConfig.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise UserError(problems(error, where, RunConfig)) from None


def read_run(path: Path) -> RunConfig:
    """The run in a YAML file; names and short forms are allowed."""
    return resolve(load_yaml(path), str(path))


def problems(error: ValidationError, where: str, description: type[Description]) -> str:
    """One line per problem that pydantic found: file, dotted path, value, what is allowed."""
    lines = [_problem(detail, description) for detail in error.errors(include_url=False)]
    return "\n       ".join(f"{where}: {line}" for line in lines)


def _problem(detail: ErrorDetails, description: type[Description]) -> str:
    location = ".".join(map(str, detail["loc"]))
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    match detail["type"]:
        case "value_error":
            return f"{location}: {message}" if location else message
        case "missing":
            return f"{location}: is missing"
        case "extra_forbidden":
            *parents, key = map(str, detail["loc"])
            return f"{location}: no such field{nearest(key, _fields(description, parents))}"
        case _:
            return f"{location}: got {detail['input']!r}; expected {message}"


def _fields(description: Any, parents: list[str]) -> list[str]:
    """Field names of the description at a path into another."""
    for parent in parents:
        description = description.model_fields[parent].annotation
    return list(description.model_fields)
