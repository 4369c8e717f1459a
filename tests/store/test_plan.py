"""The last plan of an experiment is written and read."""

import pytest

from reslab import store
from reslab.errors import UserError


def test_the_last_plan_is_the_plan() -> None:
    plan = {"experiment": "mnist", "title": "MNIST", "published": None, "variants": []}
    for seeds in (5, 1):
        store.write_plan({**plan, "options": {"seeds": seeds}})
    assert store.read_plan("mnist") == {**plan, "options": {"seeds": 1}}


def test_an_experiment_that_was_never_run_is_named_with_its_nearest_and_its_command() -> None:
    store.write_plan({"experiment": "quickstart"})
    with pytest.raises(UserError) as caught:
        store.read_plan("quickstrat")
    assert "'quickstrat' has not been run" in str(caught.value)
    assert "did you mean quickstart?" in str(caught.value)
    assert "make experiment NAME=quickstrat" in str(caught.value)


@pytest.mark.parametrize("text", ['{"exper', "[]", "{}", "", "\x00", 10_000 * "["])
def test_a_damaged_plan_is_refused_with_its_path(text: str) -> None:
    folder = store.experiment_folder("quickstart")
    folder.mkdir(parents=True)
    (folder / store.PLAN).write_text(text)
    with pytest.raises(UserError) as caught:
        store.read_plan("quickstart")
    assert str(caught.value).startswith(f"{folder / store.PLAN} is damaged: ")
