"""From the tree that a person writes to a `RunConfig`: names become descriptions.

`model: resnet20` is short for `model: {name: resnet20}`; further fields beside `name` are laid over
the named net's description. A recipe's name is a file in configs/recipes. Input channels and class
count come from the data unless they are given.
"""

import json
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from reslab.config.data import Data, facts_of
from reslab.config.data_tree import described_data, whole_data
from reslab.config.nets import ResNet
from reslab.config.origins import run_of, sha256_of, weights_root
from reslab.config.problems import PlaceOf, place_of, validated
from reslab.config.pruning import kept_by_stage
from reslab.config.public_weights import published
from reslab.config.recipe import Recipe
from reslab.config.run import RunConfig
from reslab.config.shipped import shipped_file
from reslab.config.start import CHECKPOINT, is_path, same_classes
from reslab.config.strict_yaml import load_yaml
from reslab.config.trees import Tree, merge, nested, spelled
from reslab.config.use import Use
from reslab.config.zoo import ZOO, describe
from reslab.errors import UserError, gathered, located, nearest
from reslab.folders import absolute
from reslab.text import quoted

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
LISTERS = {
    "experiments": "make help-all",
    "recipes": "ls configs/recipes",
    "clusters": "ls configs/clusters",
}
"""The commands that list a folder's names."""


def config_names(kind: str) -> list[str]:
    """The names of the files in configs/<kind>, sorted."""
    return sorted(path.stem for path in (CONFIGS / kind).glob("*.yaml"))


def config_file(kind: str, name: str) -> Path:
    """configs/<kind>/<name>.yaml; `UserError` with the nearest names if there is none."""
    known = config_names(kind)
    if name not in known:
        near = nearest(name, known, LISTERS[kind])
        raise UserError(f"configs/{kind} has no {quoted(name)}{near}")
    return CONFIGS / kind / f"{name}.yaml"


def resolve(tree: Tree, where: str | PlaceOf) -> RunConfig:
    """The run that a tree describes; `where` it stands (a file, or a place for each path) begins
    every error."""
    place = place_of(where)
    with located(place("")):
        tree = nested(tree)
    parts = ("model", "data", "recipe")
    model, data, recipe = gathered(partial(_part, tree, name, place) for name in parts)
    data, net, named = gathered(
        (
            partial(whole_data, data, place),
            partial(_named_net, model, place),
            partial(_named_recipe, recipe, place),
        )
    )
    model = net | _shape(data) | _without_name(model)
    recipe = merge(named, _without_name(recipe))
    tree = {k: v for k, v in tree.items() if k not in TAKEN_AWAY or v not in (None, "none")}
    with located(place("start.keep")):
        tree, model = _pruned(tree, model)
    with located(place("start")):
        start = {"start": whole_start(tree["start"], data)} if "start" in tree else {}
    with located(place("teacher")):
        teacher = {"teacher": _whole_origin(tree["teacher"])} if "teacher" in tree else {}
    origins = {**start, **teacher}
    whole = {**tree, **origins, "model": model, "data": data, "recipe": recipe}
    return validated(RunConfig, whole, place)


TAKEN_AWAY = ("start", "teacher", "adapter")
"""Fields that none takes away, which the base has said."""


def _pruned(tree: Tree, model: Tree) -> tuple[Tree, Tree]:
    """A run's tree without `start.keep`, and its net with the inner widths that this says."""
    start = tree.get("start")
    if not isinstance(start, dict) or "keep" not in start:
        return tree, model
    others = {key: value for key, value in start.items() if key != "keep"}
    if others.get("loads") != "l1":
        raise UserError("is the part of the filters that loads: l1 leaves; say that, too")
    if model.get("inner_widths"):
        raise UserError("the net says its inner_widths already; leave one of them out")
    try:
        net = ResNet.model_validate_json(json.dumps({"family": "resnet", **model}))
    except ValidationError:  # told when all of it is validated
        return {**tree, "start": others}, model
    return {**tree, "start": others}, {**model, "inner_widths": kept_by_stage(net, start["keep"])}


def _part(tree: Tree, key: str, place: PlaceOf) -> Tree:
    part = tree.get(key)
    if isinstance(part, str):
        return {"name": part}
    if not isinstance(part, dict):
        found = f"got {spelled(part)}" if key in tree else "is missing"
        raise UserError(f"{place(key)}: {found}; expected a name or a mapping")
    for word in ("name", "python"):
        if not isinstance(part.get(word, ""), str):
            found = spelled(part[word])
            raise UserError(f"{place(f'{key}.{word}')}: got {found}; expected a word")
    return part


def _named_net(model: Tree, place: PlaceOf) -> Tree:
    if "name" not in model:
        return {}
    with located(place("model")):
        return describe(model["name"]).model_dump(mode="json", exclude_defaults=True)


def _named_recipe(recipe: Tree, place: PlaceOf) -> Tree:
    if "name" not in recipe:
        return {}
    with located(place("recipe")):
        file = config_file("recipes", recipe["name"])
    return _read_recipe(file, file.stat().st_mtime_ns)


@cache
def _read_recipe(file: Path, changed: int) -> Tree:
    """A recipe as it was when it was last changed: a plan's variants share it."""
    where = f"configs/recipes/{file.name}"
    tree = load_yaml(file)
    with located(where):
        tree = nested(tree)
    validated(Recipe, tree, where)
    return tree


def _without_name(part: Tree) -> Tree:
    return {key: value for key, value in part.items() if key != "name"}


def whole_start(start: Any, data: Tree) -> Tree:
    """An origin's tree with a file's digest, and with how the head begins where that follows from
    the run's data; `UserError` for what is no origin, and for one that is not there."""
    return _with_head(_whole_origin(start), data)


def _whole_origin(start: Any) -> Tree:
    """An origin's tree with a file's digest."""
    start = {"name": start} if isinstance(start, str) else start
    if not isinstance(start, dict):
        raise UserError(f"got {spelled(start)}; expected a name, a path, or a mapping")
    name = start.get("name")
    if isinstance(name, str) and urlsplit(name).scheme in ("http", "https"):
        raise UserError(f"got {quoted(name)}; a URL needs its digest: {{url: …, sha256: …}}")
    if isinstance(name, str) and is_path(name):
        start = {key: value for key, value in start.items() if key != "name"} | {"file": name}
    elif isinstance(name, str):
        published(name)
    return _looked_at(start, start["file"]) if isinstance(start.get("file"), str) else {**start}


def _looked_at(start: Tree, word: str) -> Tree:
    """A file's tree with its absolute path and its digest; a run's folder is its checkpoint."""
    path = absolute(word)
    path = path / CHECKPOINT if path.is_dir() else path
    start = {**start, "file": str(path)}
    if start.get("sha256") is not None:
        return start
    found = next((one for one in (path, weights_root() / path.name) if one.is_file()), None)
    if found is None:
        raise UserError(
            f"there is no file {path}, and no {weights_root() / path.name}; bring it to one of "
            "these places, or say where it is"
        )
    return {**start, "file": str(found.absolute()), "sha256": sha256_of(found)}


def _with_head(start: Tree, data: Tree) -> Tree:
    """`head: kept` where nothing is said and the file's run had the same classes."""
    path = start.get("file") or shipped_file(str(start.get("name")))
    if "head" in start or start.get("loads") == "trunk" or not isinstance(path, str | Path):
        return start
    ours, theirs = described_data(data), _classes_of(Path(path))
    return {**start, "head": "kept"} if ours and theirs and same_classes(ours, theirs) else start


def _classes_of(path: Path) -> Data | None:
    """The data whose classes the head of a file's weights was trained for, where they say it."""
    run = run_of(path) or {}
    data, recipe = run.get("data"), run.get("recipe")
    objective = recipe.get("objective") if isinstance(recipe, dict) else None
    if isinstance(objective, dict) and objective.get("name", "classes") != "classes":
        return None
    return described_data(data) if isinstance(data, dict) else None


def _shape(data: Tree) -> Tree:
    """What a net's description takes from the data; nothing from data that validation refuses."""
    described = described_data(data)
    if described is None:
        return {}
    facts = facts_of(described)
    return {"in_channels": facts.in_channels, "classes": facts.classes}


def resolve_use(tree: Tree, where: str | PlaceOf) -> Use:
    """What weights are used with, as a tree says it: the net, its data, how photographs are cropped
    (`model`, `data`, `photographs`, `image_size`). What is left out follows from the data, else
    from the net's name: a net for images of 64 pixels or more reads photographs."""
    place = place_of(where)
    with located(place("")):
        tree = nested(tree)
    data = whole_data(_part(tree, "data", place), place) if tree.get("data") else {}
    model = _part(tree, "model", place)
    named = _named_net(model, place) | (_shape(data) if data else {}) | _without_name(model)
    whole = {**tree, "model": named, **({"data": data} if data else {})}
    return validated(Use, whole | _inputs(whole, model.get("name")), place)


def _inputs(tree: Tree, name: str | None) -> Tree:
    """How images become a net's inputs, where a tree leaves it open."""
    described = described_data(tree["data"]) if "data" in tree else None
    facts = facts_of(described) if described else None
    own = ZOO[name].image_size if name in ZOO else 224
    size = tree.get("image_size") or (facts.image_size if facts else own)
    crops = tree.get("photographs")
    if not crops and not (facts.photographs if facts else size >= SMALLEST_PHOTOGRAPH):
        return {"image_size": size}
    crops = crops if isinstance(crops, dict) else {}
    size = crops.get("size", size)
    shorter = round(size * 256 / 224) if isinstance(size, int) else size
    crops = {"crop": "center", "size": size, "test_shorter_side": shorter, **crops}
    return {"photographs": crops, "image_size": tree.get("image_size", size)}


SMALLEST_PHOTOGRAPH = 64
"""A net for smaller images is one for data of one size."""


def read_run(path: Path) -> RunConfig:
    """The run in a YAML file; names and short forms are allowed."""
    return resolve(load_yaml(path), str(path))
