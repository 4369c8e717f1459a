"""Small runs, for tests of what trains and of what uses a trained net."""

from tests.small_runs import digit_weights, make_run, script  # noqa: F401 (fixtures)
from tests.training.hosts import hosts  # noqa: F401 (fixtures)
