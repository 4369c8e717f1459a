"""Small runs, for tests of what a method does to what is trained."""

from tests.small_runs import digit_weights, make_run  # noqa: F401 (fixtures)
