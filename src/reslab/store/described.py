"""What a run is, from the `config.yaml` of its folder, which says all of it.

Understanding one takes longest of all that is read of a run. Those that differ in nothing but their
seed are understood once.
"""

import re
from functools import lru_cache
from pathlib import Path

from reslab.config.origins import CONFIG
from reslab.config.resolve import read_run, resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import parse_yaml
from reslab.errors import UserError

SEED = re.compile("^seed: ([0-9]{1,9})$", re.MULTILINE)
"""A line of a config that was written for a plan."""


def read_config(folder: Path) -> RunConfig:
    """`UserError` where it is not there, or damaged."""
    path = folder / CONFIG
    text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
    if len(seeds := SEED.findall(text)) != 1:
        return read_run(path)
    try:
        common = _described(SEED.sub("seed: 0", text))
    except UserError:  # which is to name the file
        return read_run(path)
    return common.model_copy(update={"seed": int(seeds[0])})


@lru_cache(maxsize=1024)
def _described(text: str) -> RunConfig:
    return resolve(parse_yaml(text, CONFIG), CONFIG)
