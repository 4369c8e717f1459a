"""A plan's runs as jobs: what each is, what has become of it, and how much is done."""

from dataclasses import dataclass
from pathlib import Path

from reslab import store
from reslab.config.run import RunConfig
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
    """Whether it is no row's, and only trained because others start from it."""

    @property
    def pending(self) -> bool:
        """Whether there was anything left to do."""
        return self.state not in store.FINAL

    def seconds(self, slot: Slot) -> float:
        """What the whole of it would take by the model, without `estimate.correction`."""
        return seconds(self.config, self.variant.multiply_adds, slot.device, slot.cores)

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
        )
        for variant, folder, config in plan.runs()
    ]
