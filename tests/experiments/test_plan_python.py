"""Plans with nets of one's own: counted and written as any other's."""

from pathlib import Path
from typing import Any

import pytest
from tests.experiments.plans import BASE, plan, refusal
from tests.python_nets import NET, net, net_file

import reslab
from reslab import store
from reslab.experiments.single import train_experiment
from reslab.store.plan import Plan
from reslab.store.plans import write_plan

pytestmark = pytest.mark.process


def beside(model: Any) -> dict[str, Any]:
    return {"base": BASE, "variants": {"ResNet": {"model": "resnet20"}, "mine": {"model": model}}}


def ids(made: Plan) -> list[str]:
    return [run.run_id for variant in made.variants for run in variant.runs]


def test_a_net_of_ones_own_is_planned_beside_those_of_the_zoo(tmp_path: Path) -> None:
    """27w + 2w + 40w + 10 parameters; on 32 × 32 pixels 1024 · 27w + 40w multiply-adds. What a file
    prints does not come between."""
    file = net_file(tmp_path, NET.replace("super().__init__()", "super().__init__(); print(3)"))
    model = net(file, width=16)
    made = plan(beside(model))
    costs = [(variant.params, variant.multiply_adds) for variant in made.variants]
    assert costs == [(269_722, 40_551_040), (69 * 16 + 10, 1024 * 27 * 16 + 40 * 16)]
    write_plan(made)
    [resnet, mine] = made.folders()
    assert not (resnet / file.name).exists()
    assert (mine / file.name).read_bytes() == file.read_bytes()
    assert store.find_plan("depth") == made


def test_another_content_is_another_run_and_the_one_that_began_keeps_its_copy(
    tmp_path: Path,
) -> None:
    file = net_file(tmp_path)
    before = plan(beside(net(file)))
    write_plan(before)
    net_file(tmp_path, NET + "# changed\n")
    after = plan(beside(net(file)))
    write_plan(after)
    assert ids(before)[0] == ids(after)[0]
    assert ids(before)[1] != ids(after)[1]
    copies = [(made.folders()[1] / file.name).read_text() for made in (before, after)]
    assert copies == [NET, NET + "# changed\n"]


def test_what_goes_wrong_in_the_file_is_told_with_the_variant(tmp_path: Path) -> None:
    wrong = net(net_file(tmp_path, NET.replace("width * 4", "width")))
    assert refusal(beside(wrong)).startswith(
        f"file.yaml: variants.mine: model: {tmp_path / 'my_nets.py'}:13: RuntimeError: mat1 and"
    )


def test_what_lies_beside_the_file_or_where_one_is_is_not_found_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would not be beside the copy in the run's folder."""
    monkeypatch.setenv("PYTHONPATH", str(Path(reslab.__file__).parents[1]))
    net_file(tmp_path, "x = 1\n", "my_helpers.py")
    file = net_file(tmp_path, f"import my_helpers\n{NET}")
    monkeypatch.chdir(tmp_path)
    assert "No module named 'my_helpers'; files beside it are not copied" in refusal(
        beside(net(file))
    )


def test_set_changes_arguments_under_the_variants(tmp_path: Path) -> None:
    for model in (net(net_file(tmp_path)), f"python:{tmp_path / 'my_nets.py'}:Net"):
        tree = {"base": BASE, "variants": {"mine": {"model": model}}}
        [variant] = plan(tree, set=("model.arguments.width=4",)).variants
        assert variant.params == 69 * 4 + 10
    tree["variants"]["mine"] = {"model": net(tmp_path / "my_nets.py", width=8)}
    said = refusal(tree, set=("model.arguments.width=4",))
    assert "changes nothing: every variant has its own value" in said


def test_one_that_is_named_on_the_command_line_is_called_without_its_folder() -> None:
    name, experiment = train_experiment("python:~/my nets/nets.py:Net", "digits", "digits")
    assert (name, experiment.title) == ("train-nets-py-net-digits-digits", "nets.py:Net on digits")
    assert list(experiment.variants) == ["nets.py:Net"]
