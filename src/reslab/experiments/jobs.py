"""A plan's runs as jobs: what each is, what has become of it, and how much is done."""

from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.config.run import RunConfig
from reslab.execution import Execution
from reslab.experiments.estimate import done, seconds, teachers_multiply_adds
from reslab.experiments.form import Chosen, begun_in, form_of
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
        return seconds(self.config, own, slot, teachers)

    def form(self, slot: Slot, execution: Execution) -> Chosen:
        """In which form its steps are, or would be, computed."""
        took, begun = self.seconds(slot), begun_in(self.folder)
        return form_of(self.config, execution, slot.device, took, begun)

    def fraction(self) -> float:
        """How much of the run is done by now, from its files."""
        if store.state(self.folder) in store.FINAL:
            return 1.0
        own, teachers = self.variant.multiply_adds, self.teachers_multiply_adds
        return done(self.config, store.last_step(self.folder), own, teachers)


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
