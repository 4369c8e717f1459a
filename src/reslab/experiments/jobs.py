"""A plan's runs as jobs: what each is, what has become of it, and how much is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab import store
from reslab.config.run import RunConfig
from reslab.experiments.estimate import Work, teachers_multiply_adds
from reslab.store.plan import Plan, Variant

RESTS = {"start": "it starts from", "teacher": "it is taught by"}
"""What a run rests on another for, in words, by the field that says it."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run to do."""

    variant: Variant
    folder: Path
    config: RunConfig
    state: store.State
    """What had become of it when the plan was made."""
    result: Mapping[str, Any] | None = None
    """What it says of itself where it was final then."""
    rests: Mapping[str, Path] = field(default_factory=dict)
    """The folders of the runs that it rests on, by the fields that say it: start, teacher."""
    is_origin: bool = False
    """Whether it is no row's, and only trained because others rest on it."""
    teachers_multiply_adds: int = 0
    """Of its teacher's net, where that is known without torch."""

    @property
    def parents(self) -> dict[Path, str]:
        """The folders of the runs that it rests on, and what for, in words."""
        return {folder: RESTS[name] for name, folder in self.rests.items()}

    @property
    def work(self) -> Work:
        """What it computes."""
        return Work(self.config, self.variant.multiply_adds, self.teachers_multiply_adds)

    @property
    def pending(self) -> bool:
        """Whether there was anything left to do."""
        return self.state not in store.FINAL

    def fraction(self) -> float:
        """How much of the run is done by now, from its files."""
        if not self.pending or store.state(self.folder) in store.FINAL:
            return 1.0
        return self.work.done(store.last_step(self.folder))


def jobs_of(plan: Plan) -> list[Job]:
    """The plan's runs in the order in which they are started."""
    return [_job(plan, *run) for run in plan.runs()]


def _job(plan: Plan, variant: Variant, folder: Path, config: RunConfig) -> Job:
    state, result, _ = plan.became(folder.name)
    return Job(
        variant,
        folder,
        config,
        state,
        result,
        rests={name: plan.folder / run for name, run in plan.parents(folder.name).items()},
        is_origin=variant in plan.origins,
        teachers_multiply_adds=teachers_multiply_adds(plan, config),
    )
