"""Which columns a table has."""

from tests.report.conftest import TABLE6, Lab, records, rendered, row

from reslab.report.table import tabulate


def test_a_finished_variant_shows_its_statistics_beside_the_published_ones(lab: Lab) -> None:
    folders = lab.variant("ResNet 110", {"model": "resnet110"}, 3, (TABLE6, "ResNet 110"))
    lab.all_done(folders, 0.1, [6.4, 6.6, 7.1])
    assert row(lab, "ResNet 110") == {
        "variant": "ResNet 110",
        "difference": "resnet110",
        "params": "853 k",
        "mult-adds": "125 M",
        "runs": "3/3",
        "train error": "0.10 ± 0.00",
        "test error": "6.70 ± 0.36",
        "best": "6.40",
        "median": "6.60",
        "published": "6.61 ± 0.16, best 6.43 of 5 [1]",
        "Δ": "+0.09",
        "verdict": "too few seeds",
    }


def test_an_experiment_without_published_numbers_has_no_column_for_them(lab: Lab) -> None:
    lab.base, lab.published = {"data": "digits", "recipe": "digits"}, None
    lab.variant("plain-8", {"model": "plain8_w8"})
    assert "published" not in row(lab, "plain-8")


def test_where_only_some_were_tested_on_held_out_images_the_column_says_so() -> None:
    test, held_out = Lab("a"), Lab("b")
    held_out.base["data"] = {"name": "cifar10", "holdout": 5000}
    for lab in (test, held_out):
        lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert "| test or held-out error |" in rendered(test, held_out)


def test_a_table_without_adaptation_has_no_columns_for_it(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert "starts from" not in row(lab, "ResNet 20")
    assert "trainable" not in records(lab)[0]


def test_starts_and_trainable_parameters_stand_in_the_table_and_its_csv(lab: Lab) -> None:
    """A plain run trains all its parameters; the start of another variant is told by its label."""
    [parent] = lab.variant("from scratch", {"model": "resnet20"})
    lab.done(parent, 0.5, 9.0)
    of_parent = {"run": parent.name[-10:], "head": "kept"}
    child = {"model": "resnet20", "start": of_parent, "trains": "head"}
    lab.done(lab.variant("head", child)[0], 0.5, 8.0, trainable=650)
    published = {"model": "resnet20", "start": "akamaster:resnet20"}
    lab.variant("published", published)
    found = [row(lab, label) for label in ("from scratch", "head", "published")]
    assert [one["starts from"] for one in found] == ["–", "from scratch", "akamaster:resnet20"]
    assert [one["trainable"] for one in found] == ["853 k", "650", "853 k"]
    read = records(lab)
    assert [record["starts_from"] for record in read] == [
        "", "from scratch", "akamaster:resnet20",
    ]  # fmt: skip
    assert [record["trainable"] for record in read] == ["853018", "650", "853018"]


def test_a_teacher_stands_in_the_table_as_a_start_does_and_without_one_there_is_no_column(
    lab: Lab,
) -> None:
    [teacher] = lab.variant("ResNet-56", {"model": "resnet56"})
    lab.done(teacher, 0.5, 7.0)
    assert "teacher" not in row(lab, "ResNet-56")
    recipe = {"name": "he2015_cifar", "normalization": "channel", "loss": "kd"}
    taught = {"model": "resnet20", "recipe": recipe}
    lab.variant("KD", {**taught, "teacher": {"run": teacher.name[-10:]}})
    lab.variant("by akamaster's", {**taught, "teacher": "akamaster:resnet56"})
    labels = ("ResNet-56", "KD", "by akamaster's")
    assert [row(lab, label)["teacher"] for label in labels] == [
        "–", "ResNet-56", "akamaster:resnet56",
    ]  # fmt: skip
    assert [r["teacher"] for r in records(lab)] == ["", "ResNet-56", "akamaster:resnet56"]
    assert "starts from" not in row(lab, "KD")


def test_trainable_parameters_that_no_run_has_told_are_left_open(lab: Lab) -> None:
    lab.variant("head", {"model": "resnet20", "trains": "head"})
    assert row(lab, "head")["trainable"] == "–"


def test_what_a_mean_is_of_stands_beside_it_seed_by_seed(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}, 3), 0.5, [9.0, 8.0, 8.5])
    [cells] = tabulate([lab.plan()]).rows
    error = cells["test_top1_error_mean"]
    assert (error.value, error.text) == (8.5, "8.50 ± 0.50")
    assert error.errors == ((0, 9.0), (1, 8.0), (2, 8.5))
    assert cells["test_top1_error_std"].value == 0.5


def test_a_published_number_has_its_source(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    table = tabulate([lab.plan()])
    published = table.rows[0]["published_value"]
    [source] = table.sources
    assert (published.value, published.source, source.of) == (8.75, source.text, TABLE6)


def test_tables_of_one_reference_have_one_source(lab: Lab) -> None:
    """He 2016's Table 4 is two tables of the data file, for CIFAR-10 and CIFAR-100."""
    for data in ("cifar10", "cifar100"):
        place = (f"he2016/table4_{data}", "ResNet-164 [ours]")
        lab.variant(data, {"model": "preact_resnet164", "data": data}, 1, place)
        assert row(lab, data)["published"].endswith("[1]")
    assert rendered(lab).count("He 2016, Table 4: K. He") == 1
