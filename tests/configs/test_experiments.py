"""Every experiment can be planned, and one that ships stands beside the numbers of its paper.

One published table belongs to one experiment, and each cell that the paper measured itself is a
variant, or the paper's data file says why not. Quoted numbers are told apart there, too.
"""

import re
from collections import defaultdict
from dataclasses import astuple
from functools import cache

import pytest
from tests.configs.shipped import EXPERIMENTS, plan, planned

from reslab import store
from reslab.config.costs import costs
from reslab.config.nets import Foreign
from reslab.config.resolve import config_file, config_names
from reslab.config.run import input_size
from reslab.config.strict_yaml import load_yaml
from reslab.papers.published import DETAILS, cell, protocol_of, table
from reslab.papers.schema import Table, paper_names, read_paper
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.store.plan import Options

BESIDE = ("top5", "train_error")
"""Parts of the names of columns that hold another number of a training whose test error is claimed.
"""

Cell = tuple[str, str]


@cache
def header(name: str) -> str:
    """The comment that a file opens with."""
    lines = config_file("experiments", name).read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])


@cache
def claims() -> dict[str, dict[str, list[Cell]]]:
    """Table → experiment → the rows and columns that its variants point at."""
    claimed: dict[str, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for name in EXPERIMENTS:
        for variant in plan(name).variants:
            if variant.published is not None:
                found = cell(*astuple(variant.published))
                claimed[found.table][name].append((found.row, found.column))
    return claimed


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_variant_has_its_published_value_or_says_that_there_is_none(name: str) -> None:
    tree = load_yaml(config_file("experiments", name))
    for variant in plan(name).variants:
        if variant.published is None and plan(name).published is not None:
            assert tree["variants"][variant.label]["published"] == "none"
        if variant.published is not None:
            found = cell(*astuple(variant.published))
            assert found.fail or found.value is not None


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_variant_is_on_the_data_of_its_cell(name: str) -> None:
    for variant in plan(name).variants:
        if variant.published is None:
            continue
        found = cell(*astuple(variant.published))
        told = table(found.table).dataset.split(", ")
        protocol = protocol_of(found.table, found.row, found.column)
        data = protocol.fields.get("data.name") if protocol else None
        ours = variant.configs[0].data.name
        assert ours in told
        assert data in (None, ours), variant.label


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_file_opens_with_commands_that_plan_and_the_number_of_their_runs(name: str) -> None:
    commands = re.findall(rf"#   make experiment NAME={name}\b(.*)", header(name))
    assert commands
    counts = [len(planned(name, options(line)).folders()) for line in commands]
    runs = re.search(r"(\d+) runs", header(name))
    assert runs is not None, "the header says how many runs the first command makes"
    assert int(runs[1]) == counts[0]


def options(line: str) -> Options:
    """What the words of a command after NAME= change of an experiment."""
    given = dict(word.split("=", 1) for word in re.findall(r"\b[A-Z]+=(?:'[^']*'|\S+)", line))
    words = {key: value.strip("'") for key, value in given.items()}
    assert set(words) <= {"BUDGET", "SEEDS", "ONLY", "SET", "DRY"}
    return Options(
        budget=float(words["BUDGET"]) if "BUDGET" in words else None,
        seeds=int(words["SEEDS"]) if "SEEDS" in words else None,
        only=words.get("ONLY"),
        set=(words["SET"],) if "SET" in words else (),
    )


def test_a_published_table_belongs_to_one_experiment() -> None:
    shared = {ref: sorted(by) for ref, by in claims().items() if len(by) > 1}
    assert not shared


def test_two_variants_point_at_one_cell_only_where_a_row_covers_several_settings() -> None:
    for ref, by in claims().items():
        for places in by.values():
            twice = {place for place in places if places.count(place) > 1}
            assert twice <= {("exclusive gating, b_g init 0 to -5", "test_error")}, ref


def test_a_table_has_an_experiment_or_a_reason_why_it_has_none() -> None:
    for paper in paper_names():
        for key, found in read_paper(paper).tables.items():
            measured = [line for line in found.rows.values() if line.quoted is not True]
            has_numbers = any(number for line in measured for number in line.values.values())
            is_claimed = f"{paper}/{key}" in claims()
            assert is_claimed + (found.no_experiment is not None) == has_numbers, f"{paper}/{key}"


@pytest.mark.parametrize("ref", sorted(claims()))
def test_each_cell_that_a_paper_measured_itself_is_a_variant(ref: str) -> None:
    mains = {plan(name).published for name in EXPERIMENTS}
    if read_paper(ref.partition("/")[0]).third_party and ref not in mains:
        return  # it only lends numbers to another paper's nets
    claimed = {place for places in claims()[ref].values() for place in places}
    found = table(ref)
    missing = [
        (row, column)
        for row, line in found.rows.items()
        for column, printed in line.values.items()
        if printed is not None
        and (row, column) not in claimed
        and not line.quotes(column)
        and not any(part in column for part in BESIDE)
    ]
    excused = {place for place in missing if _why_not(found, *place)}
    assert not set(missing) - excused
    reasons = {line.no_variant for line in found.rows.values()}
    reasons |= {column.no_variant for column in found.columns.values()}
    assert reasons - {None} == {_why_not(found, *place) for place in excused}


def _why_not(found: Table, row: str, column: str) -> str | None:
    return found.rows[row].no_variant or found.columns[column].no_variant


def test_what_he_2016_leaves_open_stands_under_the_table() -> None:
    """Sec. 3: nothing is said of a gate, a factor or a dropout where the shape changes."""
    text = " ".join(markdown(tabulate([plan("identity_mappings")])).split())
    notes = text[text.index("Notes:") :]
    for said in ("the gate's convolution strides", "x is scaled", "x is dropped"):
        assert said in notes
    assert notes.count("where the shape changes the paper says nothing") == 3


@pytest.mark.parametrize("name", ["residual_unit_details", "resnext_cifar", "wide"])
def test_where_the_code_is_released_a_recipe_follows_it_and_assumes_nothing(name: str) -> None:
    store.write_plan(plan(name))
    text = markdown(tabulate([plan(name)]))
    assert "recipe." not in text and "Assumed" not in text


OTHERWISE = {
    "resnet_tweaks": {"init", "linear_init"},  # Xavier's, which is not here
    "no_normalization": {"scale_init"},  # 1/√d, of a d that is not told
    "pruning": {"zeros"},  # on both sides in akamaster's net, whose weights are the start
}
"""Details of nets in which shipped experiments knowingly deviate from what their papers say."""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shipped_nets_begin_and_are_joined_as_their_papers_say(name: str) -> None:
    for variant in plan(name).variants:
        whole = plan(name).published
        place = astuple(variant.published) if variant.published else (whole,)
        training = place[0] and protocol_of(*place)
        if not training or isinstance(variant.configs[0].model, Foreign):
            continue
        net = variant.configs[0].model
        ours = net.model_dump(mode="json")
        differs = {
            field
            for field in ours.keys() - net.unread
            if f"model.{field}" in DETAILS & training.fields.keys()
            and training.fields[f"model.{field}"] != ours[field]
        }
        assert differs <= OTHERWISE.get(name, set()), variant.label


def test_a_number_that_fails_is_a_row_too() -> None:
    failed = [
        variant.label
        for variant in plan("identity_mappings").variants
        if variant.published and cell("he2016/table1", variant.published.row).fail
    ]
    assert len(failed) == 9  # four rows of the paper's, one of them with six biases


def test_every_experiment_is_planned_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a process was started"))
    first = [variant.configs[0] for name in EXPERIMENTS for variant in plan(name).variants]
    ours = [config for config in first if not isinstance(config.model, Foreign)]
    nets = [(config.model, input_size(config)) for config in ours]
    assert all(row.params > 0 and row.multiply_adds > 0 for row in costs(nets).values())


@pytest.mark.parametrize("name", config_names("experiments"))
def test_every_experiment_expands(name: str) -> None:
    plan = planned(name)
    assert all(variant.configs for variant in plan.variants)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_shipped_experiment_says_what_it_asks_and_how_to_run_it(name: str) -> None:
    first, *rest = config_file("experiments", name).read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert any(line.startswith(f"#   make experiment NAME={name}") for line in rest)
