"""What trained weights are used with: their net, its images, and how photographs become these.

Weights of a run know it; of others it is said, as a tree or on a command line.
"""

from typing import Self

from pydantic import PositiveInt, model_validator

from reslab.config.adapters import Adapter
from reslab.config.data import Data, Photographs, facts_of
from reslab.config.description import Description
from reslab.config.nets import Net
from reslab.config.run import Precision, RunConfig, check_adapter, input_size


class Use(Description):
    """A net and the images that it is for."""

    model: Net
    data: Data | None = None
    """What it is tested on, and whose classes it knows. None: not known."""
    photographs: Photographs | None = None
    """None: images are resized to `image_size`."""
    image_size: PositiveInt
    """Side in pixels of the square images that the net takes."""
    precision: Precision = "32-true"
    adapter: Adapter | None = None
    """What stands among the weights beside those of the net."""

    @classmethod
    def of_run(cls, config: RunConfig) -> Self:
        """What a run's weights are used with."""
        return cls(
            model=config.model,
            data=config.data,
            photographs=config.recipe.photographs,
            image_size=input_size(config),
            precision=config.precision,
            adapter=config.adapter,
        )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.photographs and self.photographs.size != self.image_size:
            raise ValueError(
                f"image_size: {self.image_size} is photographs.size where photographs are cropped: "
                f"{self.photographs.size}"
            )
        check_adapter(self.adapter, self.model, self.image_size)
        facts = facts_of(self.data) if self.data else None
        if facts and not facts.photographs and facts.image_size != self.image_size:
            raise ValueError(f"image_size: {self.image_size}; the data's is {facts.image_size}")
        return self
