"""Small runs, for tests of what trains and of what uses a trained net."""

from tests.report.conftest import lab  # noqa: F401
from tests.small_runs import digit_weights, make_run, script  # noqa: F401 (fixtures)
