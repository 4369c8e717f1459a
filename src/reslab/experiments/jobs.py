"""A plan's runs as jobs: what each is, what has become of it, and how much is done."""

from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.config.costs import cost
from reslab.config.nets import Opaque
from reslab.config.origins import net_of
from reslab.config.run import RunConfig, input_size
from reslab.config.zoo import describe
from reslab.experiments.estimate import seconds
from reslab.experiments.slots import Slot
from reslab.store.plan import Plan, Variant


@dataclass(frozen=True, eq=False)
class Job:
    """One run to do."""

    variant: Variant
    folder: Path
    config: RunConfig
    state: store.State
    """What had become of it when the plan was made."""
    start: Path | None = None
    """The folder of the run that it starts from."""
    is_origin: bool = False
    """Whether it is no row's, and only trained because others rest on it."""
    teacher: Path | None = None
    """The folder of the run that it is taught by."""
    teachers_multiply_adds: int = 0
    """Of its teacher's net, where that is known without torch."""

    @property
    def parents(self) -> dict[Path, str]:
        """The folders of the runs that it rests on, and what for, in words."""
        said = (self.start, "it starts from"), (self.teacher, "it is taught by")
        return {folder: words for folder, words in said if folder is not None}

    @property
    def pending(self) -> bool:
        """Whether there was anything left to do."""
        return self.state not in store.FINAL

    def seconds(self, slot: Slot) -> float:
        """What the whole of it would take by the model, without `estimate.correction`."""
        own, teachers = self.variant.multiply_adds, self.teachers_multiply_adds
        return seconds(self.config, own, slot.device, slot.cores, teachers)

    def fraction(self) -> float:
        """How much of the run is done by now, from its files."""
        if store.state(self.folder) in store.FINAL:
            return 1.0
        step = store.last_step(self.folder)
        return 0.99 * step / self.config.scaled_recipe.steps


def jobs_of(plan: Plan) -> list[Job]:
    """The plan's runs in the order in which they are started."""
    return [
        Job(
            variant,
            folder,
            config,
            plan.state(folder.name),
            plan.start_of(folder.name),
            variant in plan.origins,
            plan.teacher_of(folder.name),
            teachers_multiply_adds(plan, config),
        )
        for variant, folder, config in plan.runs()
    ]


def teachers_multiply_adds(plan: Plan, config: RunConfig) -> int:
    """Of a run's teacher, for one image; 0 without one, and where only its weights tell its net."""
    if config.teacher is None:
        return 0
    for variant in (*plan.variants, *plan.origins):
        if any(run.run_id == config.teacher.run for run in variant.runs):
            return variant.multiply_adds
    net = describe(net_of(config.teacher.name)) if config.teacher.name else None
    if net is None or isinstance(net, Opaque):
        return 0
    return cost(net, input_size(config)).multiply_adds
