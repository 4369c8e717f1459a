"""Variants with their statistics: what the cells of a table are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reslab.config.start import Start
from reslab.papers.published import Published, top5
from reslab.papers.schema import Views
from reslab.report.comparable import published_obstacle
from reslab.report.runs import Outcome
from reslab.report.statistics import Comparison, Summary, compare
from reslab.report.times import ToTarget, to_target
from reslab.report.verdict import Question, Verdict
from reslab.store.plan import Plan, Variant


@dataclass(frozen=True)
class Row:
    """A variant of a plan and its statistics.

    `seen` is the test error on the views that the published number is of, where these are several;
    `five` is the top-5 error on these, or on one, where one is published.
    """

    plan: str
    outcome: Outcome
    train: Summary
    test: Summary
    comparison: Comparison | None
    seen: Summary | None
    five: Summary | None
    published_five: Published | None
    comparison_five: Comparison | None
    starts_from: str | None
    teacher: str | None
    """Whom its runs are taught by; another variant by its label."""
    to_target: ToTarget | None
    """How long its runs took to the error that its plan asks for."""
    obstacle: str
    """Why it is not held against its published number; there is no comparison then."""
    verdict: Verdict | None = None
    """Beside the published number."""
    question: Question | None = None
    """The first that is about it, beside another row."""

    @property
    def variant(self) -> Variant:
        """What was planned of it."""
        return self.outcome.variant

    @property
    def published(self) -> Published | None:
        """The number that it stands beside."""
        return self.outcome.published

    @property
    def is_adapted(self) -> bool:
        """Whether its runs start from weights, or do not train the whole plain net."""
        return self.outcome.config is not None and self.outcome.config.is_adapted

    @property
    def views(self) -> Views:
        """The views that the published number is of."""
        return self.published.views if self.published else "single"

    @property
    def beside_published(self) -> Summary:
        """The errors that the published number is of."""
        return _beside(self.published, self.train, self.seen or self.test)


def rows_of(plan: Plan, outcomes: Iterable[Outcome]) -> list[Row]:
    """The rows of a plan's variants."""
    labels = plan.labels
    return [_row(plan, outcome, labels) for outcome in outcomes]


def other_views(rows: Sequence[Row]) -> list[Views]:
    """The views that published numbers are of, but for the single crop of the training's size."""
    return sorted({row.views for row in rows} - {"single"})


def _row(plan: Plan, outcome: Outcome, labels: Mapping[str, str]) -> Row:
    published, obstacle = outcome.published, published_obstacle(plan, outcome)
    train, test = outcome.summary("train"), outcome.summary("test")
    seen = published_five = five = None
    if published and published.views != "single":
        seen = outcome.summary("test", published.views)
    if published and (published_five := top5(published)):
        five = outcome.summary("test", published_five.views, "top5_error")
    return Row(
        plan.name,
        outcome,
        train,
        test,
        comparison=_like(_beside(published, train, seen or test), published, obstacle),
        seen=seen,
        five=five,
        published_five=published_five,
        comparison_five=_like(five, published_five, obstacle),
        starts_from=_origin(outcome, "start", labels),
        teacher=_origin(outcome, "teacher", labels),
        to_target=to_target(outcome, plan.target),
        obstacle=obstacle if published else "",
    )


def _beside(published: Published | None, train: Summary, test: Summary) -> Summary:
    return train if published and published.column == "train_error" else test


def _like(ours: Summary | None, published: Published | None, obstacle: str) -> Comparison | None:
    return None if ours is None or published is None or obstacle else compare(ours, published)


def _origin(outcome: Outcome, field: str, labels: Mapping[str, str]) -> str | None:
    """What the origin in a field of a variant's runs is called; another variant by its label."""
    origin: Start | None = getattr(outcome.config, field, None)
    return None if origin is None else labels.get(origin.run or "", origin.origin)
