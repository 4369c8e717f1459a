"""A page of plans as one HTML file that opens without a network.

Text is escaped by the template and printable; data stand as JSON in a script element that does not
run. The file says itself that nothing may be fetched and that no other script may run
(Content-Security-Policy), so that a label cannot be one.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reslab import disk, store
from reslab.page.contents import contents_of
from reslab.store.plan import Plan
from reslab.text import printable

HERE = Path(__file__).parent
PAGE = "page.html"
SEVERAL = "compare.html"
"""The page of several plans, beside their experiments."""


def write(plans: Sequence[Plan]) -> Path:
    """Write the page of one plan or several; its path.

    It takes plans that are not finished, too. Equal runs and figures give equal files.
    """
    path = page_path(plans)
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write_text(path, render(plans, path))
    return path


def page_path(plans: Sequence[Plan]) -> Path:
    """In a plan's home; of several beside their experiments."""
    return plans[0].home / PAGE if len(plans) == 1 else store.runs_root() / SEVERAL


def render(plans: Sequence[Plan], path: Path, live: str = "") -> str:
    """The HTML of a page whose links are seen from `path`.

    One that is live asks its server how runs go on; `live` is `page.progress.changed` of it.
    """
    from jinja2.utils import htmlsafe_json_dumps
    from markupsafe import Markup

    contents = contents_of(plans, path)
    script, style = (_read(f"page.{kind}") for kind in ("js", "css"))
    text: str = _template().render(
        contents=contents,
        data=htmlsafe_json_dumps({**contents.data, "live": live}, dumps=disk.to_json),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(style),
        live=bool(live),
    )
    return text


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    """Escapes everything, and nothing of others commands a reader's display."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    return environment.get_template(PAGE)


def _printable(value: Any) -> Any:
    """Text of ours that is markup already stays as it is."""
    return printable(value) if type(value) is str else value
