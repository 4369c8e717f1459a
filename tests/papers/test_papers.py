"""Every paper's data file has its shape, and its numbers are those of the collected sources."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reslab.config.zoo import ZOO
from reslab.papers.published import DETAILS, protocol_of
from reslab.papers.schema import Cell, Line, Paper, Statistic, paper_names, read_paper, run_fields

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
COLLECTED = [REFERENCE / "published.yaml", REFERENCE / "published_adaptation.yaml"]
TABLES = {
    "bachlechner2020": {"cifar10": "rezero_t3", "readme": "rezero_readme"},
    "chollet2017": {"table1": "xception_t1", "table3": "xception_t3"},
    "de2020": {"table1": "skipinit_t1"},
    "he2015": {
        "table1": "he2015_t1",
        "table2": "he2015_t2",
        "table3": "he2015_t3",
        "table4": "he2015_t4",
        "table6": "he2015_t6",
        "figure6": "he2015_f6",
    },
    "he2016": {
        "table1": "he2016_t1",
        "table2": "he2016_t2",
        "table3": "he2016_t3",
        "table4_cifar10": "he2016_t4_c10",
        "table4_cifar100": "he2016_t4_c100",
        "table5": "he2016_t5",
    },
    "he2019": {"table4": "bag_t4", "table5": "bag_t5"},
    "hu2018": {
        "table2": "senet_t2",
        "table4": "senet_t4",
        "table5": "senet_t5",
        "table8": "senet_t8",
        "table10": "senet_t10",
        "readme": "senet_readme",
    },
    "huang2016": {"table1": "sd_t1", "table1_imagenet": "sd_t1", "text": "sd_text"},
    "huang2017": {
        "table2": "densenet_t2",
        "table3": "densenet_t3",
        "readme": "densenet_repo_wide",
    },
    "hysts": {"preact_ablation": "hysts_preact_ablation"},
    "li2017": {"table1": "pruning_t1"},
    "lightly": {"cifar10": "lightly_cifar10", "imagenette": "lightly_imagenette"},
    "li2018": {"figure5": "landscape_f5", "figure6": "landscape_f6", "table2": "landscape_t2"},
    "liu2019": {"table1": "rethinking_t1"},
    "plain_net_replication": {"table": "plain_replication"},
    "solo_learn": {"cifar": "solo_cifar"},
    "rebuffi2018": {"readme": "residual_adapters_cifar100"},
    "tian2020": {"table1": "crd_t1"},
    "torchvision": {"v1": "torchvision_imagenet"},
    "xie2017": {
        "table3": "xie2017_t3",
        "table4": "xie2017_t4",
        "section5_1": "xie2017_residual",
        "table5": "xie2017_t5",
        "table6": "xie2017_t6",
        "table7": "xie2017_t7",
    },
    "zagoruyko2016": {
        "table2": "wrn_t2",
        "table3": "wrn_t3",
        "table4": "wrn_t4",
        "table5": "wrn_t5",
        "table6": "wrn_t6",
        "table7": "wrn_t7",
        "table8": "wrn_t8",
        "table9": "wrn_t9",
    },
    "zagoruyko2017": {"table1": "at_t1"},
    "zhang2019": {"table1": "fixup_t1", "table2": "fixup_t2", "readme": "fixup_readme"},
}
NOT_COLLECTED = {"mnist_article"}
COLUMNS = {
    "test_error_lower_bound": "test_error",
    "train_error_upper_bound": "train_error",
    "error": "top1_error",
}
"""Where the collection writes a bound as a column, we write it as a bound in the column."""
COSTS = {
    "gflops": "gmacs",
    "reimpl_gflops": "gmacs",
    "flops": "gmacs",
    "params_exact": "params_m",
}
UNITS = {"flops": 1e9, "params_exact": 1e6}
"""Columns of costs, which are fields of our rows."""
LEFT_OUT = {
    "depth",
    "time_s",
    "time_ms",
    "iter_s",
    "memory_mb",
    "steps_per_s",
    "se_gflops",
    "minutes",
    "minutes_200",
}
LEFT_OUT_OF = {
    ("huang2016", "table1"): {"imagenet"},
    ("huang2016", "table1_imagenet"): {"cifar10", "cifar100", "svhn"},
    ("huang2017", "table2"): {"svhn"},  # from memory, unlike the rest of its rows
    ("li2017", "table1"): {"flops_pruned_pct", "params_pruned_pct"},  # counted: test_count.py
}
"""A table whose columns were trained differently is two of ours."""
ROWS_LEFT_OUT = {
    ("torchvision", "v1"): re.compile("V2$|^ResNeXt|^Wide|^DenseNet"),
    **dict.fromkeys(
        [("lightly", "cifar10"), ("lightly", "imagenette"), ("solo_learn", "cifar")],
        re.compile("^(?!SimSiam$)"),
    ),
}
"""Rows of a table that were trained otherwise than those that we have."""


@pytest.mark.parametrize("name", paper_names())
def test_a_data_file_has_the_shape_of_a_paper(name: str) -> None:
    paper = read_paper(name)
    assert all(table.rows for table in paper.tables.values())


@pytest.mark.parametrize("name", paper_names())
def test_a_protocol_names_fields_of_a_run(name: str) -> None:
    for protocol in read_paper(name).protocols.values():
        assert {*protocol.run, *protocol.silent_on} <= run_fields()
        assert not set(protocol.run) & set(protocol.silent_on), "stated and silent at once"


@pytest.mark.parametrize("name", paper_names())
def test_a_protocol_states_or_is_silent_on_every_detail_that_its_nets_read(name: str) -> None:
    """What the zoo has there is nobody's word."""
    for key, table in read_paper(name).tables.items():
        for label, line in table.rows.items():
            for column in line.values if line.quoted is not True else ():
                training = protocol_of(f"{name}/{key}", label, column)
                net = line.model or table.columns[column].model
                if training is not None and net in ZOO:
                    missing = training.unstated & details_read(net, training.fields)
                    assert not missing, f"{key}, {label}"


def test_details_are_fields_of_a_run() -> None:
    assert run_fields() >= DETAILS


def details_read(name: str, fields: dict[str, Any]) -> set[str]:
    """The details that a row's net reads: the zoo's, with what the row changes of its shape."""
    net = ZOO[name].description
    shape = {
        field.removeprefix("model."): value
        for field, value in fields.items()
        if field.startswith("model.") and field not in DETAILS
    }
    changed = type(net).model_validate_json(json.dumps(shape))
    return {f"model.{field}" for field in type(net).model_fields.keys() - changed.unread} & DETAILS


ELSEWHERE = {
    "vgg", "vgg16", "vgg19", "vgg16_bn", "googlenet", "prelu_net", "bn_inception", "inception_v3",
    "inception_v4", "inception_resnet_v2", "fitnet19", "highway19", "highway32", "se_bn_inception",
    "senet154", "shake_shake_26_2x96d", "shake_even_29_2x4x64d",
}  # fmt: skip
"""Nets in the papers' tables that the zoo does not have."""


@pytest.mark.parametrize("name", paper_names())
def test_the_nets_of_a_paper_are_in_the_zoo_or_known_to_be_elsewhere(name: str) -> None:
    tables = read_paper(name).tables.values()
    columns = [column.model for table in tables for column in table.columns.values()]
    lines = [line.model for table in tables for line in table.rows.values()]
    nets = {net for net in (*columns, *lines) if net is not None}
    assert nets - ELSEWHERE <= set(ZOO)
    assert not ELSEWHERE & set(ZOO)


@pytest.fixture(scope="module")
def collected() -> dict[str, Any]:
    """The collection's tables by their id; it lies beside the checkout where it is worked on."""
    missing = [str(file) for file in COLLECTED if not file.exists()]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"{', '.join(missing)} is missing")
        pytest.skip("the collection of published numbers is not beside this checkout")
    trees = [yaml.load(file.read_text("utf-8"), yaml.CSafeLoader) for file in COLLECTED]  # large
    kinds = ("papers", "third_party_cifar", "model_zoos")
    groups = [group for tree in trees for kind in kinds for group in tree.get(kind, {}).values()]
    return {table["id"]: table for group in groups for table in group["tables"]}


RENAMED = {
    "se_resnet50": "seresnet50",
    "se_resnet101": "seresnet101",
    "se_resnet152": "seresnet152",
    "se_resnext50_32x4d": "seresnext50_32x4d",
    "se_resnext101_32x4d": "seresnext101_32x4d",
    "resnet50b": "resnet50",
    "resnet56_k1": "resnet56",
    "plain56_k1": "plain56",
    "resnet56_zero_gamma": "resnet56",
    "resnet110_zero_gamma": "resnet110",
    "rezero_preact_resnet18": "preact_resnet18",
    "rezero_preact_resnet50": "preact_resnet50",
    "stochdepth_resnet110": "resnet152",  # 152 layers on ImageNet
    "resnet110": "resnet152",
    "wrn_16_4": "skipinit_wrn_16_4",
    "wrn_100_4": "skipinit_wrn_100_4",
    "wrn_1000_4": "skipinit_wrn_1000_4",
    "wrn_28_2_b33": "wrn_28_2",
    "wrn_50_2_bottleneck": "wide_resnet50_2",
    "wrn_imagenet_18_1.0": "resnet18",
    "wrn_imagenet_34_1.0": "resnet34",
}
"""The collection's name of a net and the zoo's, where the collection does not use ours."""


PLACES = [(paper, table) for paper, tables in TABLES.items() for table in tables]


def test_every_table_is_held_against_the_collected_sources() -> None:
    ours = [(name, table) for name in paper_names() for table in read_paper(name).tables]
    assert {place for place in ours if place[0] not in NOT_COLLECTED} == set(PLACES)


@pytest.mark.parametrize("place", PLACES, ids="/".join)
def test_the_numbers_are_those_of_the_collected_sources(
    place: tuple[str, str], collected: dict[str, Any]
) -> None:
    paper, table = read_paper(place[0]), read_paper(place[0]).tables[place[1]]
    theirs = collected[TABLES[place[0]][place[1]]]
    unwanted = ROWS_LEFT_OUT.get(place)
    rows = [r for r in theirs["rows"] if unwanted is None or not unwanted.search(r["label"])]
    left_out = LEFT_OUT | LEFT_OUT_OF.get(place, set())
    assert {label: _numbers(line) for label, line in table.rows.items()} == {
        row["label"]: _collected_numbers(row, left_out) for row in rows
    }
    assert {label: _verified(paper, line) for label, line in table.rows.items()} == {
        row["label"]: row["verified"] for row in rows
    }
    for row in rows:
        model = table.rows[row["label"]].model
        assert model is None or model.partition("_pruned")[0] in _names(row["model"])
    assert theirs["label"].startswith(table.label) or paper.third_party
    assert _statistic(table.statistic, theirs["statistic"])


def _names(collected: str) -> set[str]:
    """What we may call the nets of a row; its columns can hold two."""
    return {name for net in collected.split(" / ") for name in (net, RENAMED.get(net, net))}


def _verified(paper: Paper, line: Line) -> str:
    return line.verified or paper.verified


def _statistic(ours: Statistic, theirs: dict[str, Any]) -> bool:
    """The collection has more words; of De 2020 its n stands among the protocol's notes."""
    same_n = theirs["n_runs"] in (None, ours.n)
    return same_n and (theirs["kind"].startswith(ours.kind) or "/" in theirs["kind"])


def _numbers(line: Line) -> dict[str, Any]:
    cells = {column: _cell(cell) for column, cell in line.values.items() if cell is not None}
    return {"gmacs": line.gmacs, "params_m": line.params_m, **cells}


def _cell(cell: Cell) -> set[float] | str:
    fields = cell.model_dump(exclude={"fail", "n"}).values()
    return "fail" if cell.fail else {number for number in fields if number is not None}


def _collected_numbers(row: dict[str, Any], left_out: set[str]) -> dict[str, Any]:
    costs: dict[str, Any] = {"gmacs": None, "params_m": row["params_m"]}
    cells: dict[str, Any] = {}
    for column, value in row["values"].items():
        stats = row.get("stats", {}).get(column, {})
        numbers = {value, *(stats.get(name) for name in ("best", "mean", "median", "std"))}
        if column in COSTS:
            costs[COSTS[column]] = None if value is None else value / UNITS.get(column, 1)
        elif column in left_out:
            continue
        elif numbers != {None}:
            cells[COLUMNS.get(column, column)] = numbers - {None}
        elif row.get("status") == "fail":
            cells[column] = "fail"
    return {**costs, **cells}
