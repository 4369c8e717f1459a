"""Data sets, the order of their examples, augmentation on the device, and the DataModules.

`reslab.data.modules` has the DataModules; it is not imported here, so that everything else in this
package works without lightning.
"""

from reslab.data.augment import augmented, crop_flip
from reslab.data.normalize import Normalization
from reslab.data.order import Order, init_seed, step_seed
from reslab.data.sources import Source, Split, hold_out, open_source

__all__ = [
    "Normalization",
    "Order",
    "Source",
    "Split",
    "augmented",
    "crop_flip",
    "hold_out",
    "init_seed",
    "open_source",
    "step_seed",
]
