"""Published numbers as marks beside one's own errors."""

from typing import TYPE_CHECKING, Any

from reslab.papers.published import Published
from reslab.report.figures.style import proxy
from reslab.report.runs import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.artist import Artist

MARKS = {False: ("D", "published test error"), True: ("s", "third party's test error")}
"""Marker and legend of a published number, by whether a third party published it."""

LOOKS: Any = {"fillstyle": "none", "markersize": 4, "markeredgewidth": 0.9, "linestyle": ""}


def height(published: Published | None) -> float | None:
    """The published test error if it is a number that has been checked, and of one view."""
    if published is None or published.verified == "memory" or published.views != "single":
        return None
    if published.bound or published.column == "train_error":
        return None
    return published.mean if published.mean is not None else published.value


def marker(outcome: Outcome) -> str:
    """That of a variant's published number."""
    return MARKS[_is_third_party(outcome)][0]


def handles(outcomes: "Iterable[Outcome]") -> "list[Artist]":
    """What the marks mean, for a legend."""
    marked = {_is_third_party(o) for o in outcomes if height(o.published) is not None}
    meant = [MARKS[third_party] for third_party in sorted(marked)]
    return [proxy(label, marker=mark, **LOOKS) for mark, label in meant]


def _is_third_party(outcome: Outcome) -> bool:
    return outcome.published is not None and outcome.published.third_party
