"""In which form a run's steps are computed, and what a plan says of it."""

from pathlib import Path
from typing import Any

import pytest

from reslab import store
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.execution import Execution, Form
from reslab.experiments import form
from reslab.experiments.form import PAYS, Chosen, begun_in, form_of, forms_in_words

BY_DEFAULT, ASKED, REFUSED = Execution(), Execution(compile=True), Execution(compile=False)


@pytest.fixture(autouse=True)
def a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "why_nothing_compiles", lambda: None)


def run(**parts: Any) -> RunConfig:
    return resolve({"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", **parts}, "")


def test_on_a_cpu_only_a_run_for_which_it_pays_is_compiled_by_itself() -> None:
    assert form_of(run(), BY_DEFAULT, "cpu", PAYS - 1) == Chosen("eager")
    assert form_of(run(), BY_DEFAULT, "cpu", PAYS).form == "compiled"


def test_what_is_said_counts_whatever_the_length() -> None:
    assert form_of(run(), ASKED, "cpu", 1.0) == Chosen("compiled")
    assert form_of(run(), REFUSED, "cpu", 10 * PAYS) == Chosen("eager", "COMPILE=0")


def test_a_gpu_replays_graphs_whatever_the_length() -> None:
    assert form_of(run(), BY_DEFAULT, "gpu", 1.0) == Chosen("cuda graphs", "as on every GPU")
    assert form_of(run(), ASKED, "gpu", 1.0) == Chosen("cuda graphs")
    assert form_of(run(), REFUSED, "gpu", 1.0) == Chosen("eager", "COMPILE=0")


def test_several_gpus_of_a_run_are_eager() -> None:
    chosen = form_of(run(), Execution(devices=2, compile=True), "gpu", PAYS)
    assert chosen == Chosen("eager", "several GPUs add up what they have in mid-step")


def test_without_a_compiler_a_run_is_eager_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "why_nothing_compiles", lambda: "there is no C++ compiler")
    for execution in (BY_DEFAULT, ASKED):
        chosen = form_of(run(), execution, "cpu", PAYS)
        assert chosen == Chosen("eager", "there is no C++ compiler")


def test_no_compiler_is_looked_for_where_none_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "why_nothing_compiles", lambda: pytest.fail("looked"))
    assert form_of(run(), BY_DEFAULT, "cpu", 1.0) == Chosen("eager")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"model": "timm:resnet18"}, "not every net of others compiles; COMPILE=1 tries"),
        (
            {
                "teacher": {"run": "0123456789"},
                "recipe": {"name": "he2015_cifar", "normalization": "channel", "loss": "kd"},
            },
            "it has a teacher",
        ),
        ({"recipe": {"name": "he2015_cifar", "objective": "simsiam"}}, "no classes to learn"),
    ],
)
def test_what_is_not_one_graph_for_certain_is_eager_with_the_reason(
    parts: dict[str, Any], reason: str
) -> None:
    chosen = form_of(run(**parts), BY_DEFAULT, "cpu", PAYS)
    assert chosen.form == "eager" and reason in chosen.reason


def test_another_librarys_net_is_compiled_where_that_is_asked_for() -> None:
    assert form_of(run(model="timm:resnet18"), ASKED, "cpu", 1.0) == Chosen("compiled")


@pytest.mark.parametrize("begun", ["eager", "compiled"])
@pytest.mark.parametrize("execution", [BY_DEFAULT, ASKED, REFUSED])
def test_a_run_goes_on_in_the_form_in_which_it_was_begun(begun: Form, execution: Execution) -> None:
    chosen = form_of(run(), execution, "cpu", PAYS, begun)
    assert chosen.form == begun
    contrary = execution.compile not in (None, begun == "compiled")
    assert ("goes on so; COMPILE=" in chosen.reason) == contrary


def test_cuda_graphs_go_on_eager_on_a_cpu() -> None:
    chosen = form_of(run(), BY_DEFAULT, "cpu", PAYS, "cuda graphs")
    assert chosen == Chosen("eager", "begun with CUDA graphs, which a CPU has not")


def test_how_a_run_was_begun_stands_in_its_folder(tmp_path: Path) -> None:
    """Not before a checkpoint: until then it begins anew, and may be decided anew."""
    store.append_start(tmp_path, {"resumed": False, "form": "eager"})
    store.append_start(tmp_path, {"resumed": False, "form": "compiled"})
    assert begun_in(tmp_path) is None
    (tmp_path / store.CHECKPOINT).touch()
    store.append_start(tmp_path, {"resumed": True, "form": "eager"})
    assert begun_in(tmp_path) == "compiled"


def test_a_run_that_was_begun_before_there_were_forms_is_eager(tmp_path: Path) -> None:
    store.append_start(tmp_path, {"resumed": False})
    (tmp_path / store.CHECKPOINT).touch()
    assert begun_in(tmp_path) == "eager"


def test_a_plan_says_how_many_runs_have_which_form_and_why() -> None:
    short, long = Chosen("eager"), Chosen("compiled", "10 min and more on a CPU")
    assert forms_in_words([short, short]) == forms_in_words([]) == ""
    assert forms_in_words([short, long, long]) == (
        "steps: eager in 1; compiled in 2 (10 min and more on a CPU)"
    )
    assert forms_in_words([Chosen("eager", "COMPILE=0")]) == "steps: eager in 1 (COMPILE=0)"
