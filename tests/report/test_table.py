"""The table says what was found, beside what was published, and what is missing."""

import csv
import io
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.conftest import TABLE6, Lab

import reslab
from reslab import disk, store
from reslab.papers.published import cell
from reslab.report.table import Table, published_text, render, render_together, short_difference
from reslab.text import UNPRINTABLE

THIRD = "plain_net_replication/table"


def rendered(lab: Lab) -> Table:
    return render(lab.plan())


def row(lab: Lab, label: str) -> dict[str, str]:
    """A row of the Markdown table by its column heads."""
    lines = [line for line in rendered(lab).markdown.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = next(line for line in cells if line[0] == label)
    return dict(zip(cells[0], found, strict=True))


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
    }


def test_the_citation_stands_under_the_table(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    assert "[1] He 2015, Table 6: K. He, X. Zhang, S. Ren, J. Sun" in rendered(lab).markdown


def test_one_seed_has_no_standard_deviation(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert row(lab, "ResNet 20")["test error"] == "9.00 ± –"


def test_a_half_finished_experiment_shows_what_is_missing(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 5, (TABLE6, "ResNet 20"))
    lab.all_done(folders[:2], 0.5, [8.0, 9.0])
    lab.start(folders[2], until=0.5)
    lab.start(folders[3], until=0.2)
    store.write_error(folders[3], "RuntimeError: no memory\nTry a smaller batch")
    lab.variant("ResNet 32", {"model": "resnet32"}, 2, (TABLE6, "ResNet 32"))
    with store.lock(folders[2]):
        shown = row(lab, "ResNet 20")
        text = rendered(lab).markdown
    assert shown["runs"] == "2/5, 1 running, 1 crashed, 1 missing"
    assert shown["test error"] == "8.50 ± 0.71"
    assert f"{folders[3].name} crashed: RuntimeError: no memory" in " ".join(text.split())
    untouched = row(lab, "ResNet 32")
    assert (untouched["runs"], untouched["test error"], untouched["Δ"]) == ("0/2", "missing", "–")


def test_a_plan_whose_folders_are_gone_is_all_missing(lab: Lab) -> None:
    [folder] = lab.variant("ResNet 20", {"model": "resnet20"})
    shutil.rmtree(folder)
    assert row(lab, "ResNet 20")["test error"] == "missing"


def test_divergence_is_a_result_without_a_mean_over_survivors(lab: Lab) -> None:
    folders = lab.variant("plain-56", {"model": "plain56"}, 5, (THIRD, "Plain-56"))
    lab.all_done(folders[:3], 5.0, [14.0, 15.0, 16.0])
    lab.diverged(folders[3])
    lab.diverged(folders[4])
    shown = row(lab, "plain-56")
    assert shown["runs"] == "3 of 5 trained"
    assert (shown["train error"], shown["test error"], shown["Δ"]) == ("–", "–", "–")
    assert (shown["best"], shown["median"]) == ("14.00", "16.00")
    text = rendered(lab).markdown
    assert "no mean" in text
    assert f"{folders[3].name} diverged at step 1,234 with learning rate 0.1" in text


def test_a_variant_of_which_no_run_trained_is_shown_as_diverged(lab: Lab) -> None:
    lab.diverged(lab.variant("plain-56", {"model": "plain56"})[0])
    shown = row(lab, "plain-56")
    assert (shown["runs"], shown["test error"]) == ("0 of 1 trained", "diverged")


def test_a_bound_prints_as_a_bound_beside_our_number(lab: Lab) -> None:
    folders = lab.variant("plain-110", {"model": "plain110"}, 1, ("he2015/figure6", "plain-110"))
    lab.all_done(folders, 70, [72.0])
    shown = row(lab, "plain-110")
    assert (shown["test error"], shown["published"], shown["Δ"]) == ("72.00 ± –", "> 60 [1]", "–")


def test_a_third_partys_number_is_marked(lab: Lab) -> None:
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    assert row(lab, "plain-20")["published"] == "9.63, 1 run, third party [1]"


def test_a_number_from_memory_is_marked(lab: Lab) -> None:
    lab.base, lab.published = {"data": "mnist", "recipe": "mnist"}, None
    lab.variant("ResNet", {"model": "resnet8"}, 1, ("mnist_article/article", "ResNet"))
    assert row(lab, "ResNet")["published"] == "≈ 2, memory [1]"
    assert "not checked against its source" in rendered(lab).markdown


def test_a_published_failure_is_printed_as_published() -> None:
    failed = type(cell(TABLE6, "ResNet 20"))(
        **{**vars(cell(TABLE6, "ResNet 20")), "fail": True, "value": None}
    )
    assert published_text(failed) == "fail"


def test_errors_on_held_out_images_are_not_subtracted_from_test_errors(lab: Lab) -> None:
    lab.base["data"] = {"name": "cifar10", "holdout": 5000}
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    lab.all_done(folders, 0.5, [9.0])
    shown = row(lab, "ResNet 20")
    assert (shown["held-out error"], shown["Δ"]) == ("9.00 ± –", "–")


def test_an_experiment_without_published_numbers_has_no_column_for_them(lab: Lab) -> None:
    lab.base, lab.published = {"data": "digits", "recipe": "digits"}, None
    lab.variant("plain-8", {"model": "plain8_w8"})
    assert "published" not in row(lab, "plain-8")


# ---- several views of each image --------------------------------------------------------------


@pytest.fixture
def photographs(lab: Lab) -> Lab:
    """Three runs of ResNet-34 A beside He 2015's Table 3, which is of ten crops."""
    lab.base = {"data": "imagenet", "recipe": "he2015_imagenet"}
    lab.published = "he2015/table3"
    net = {"model": {"name": "resnet34", "shortcut": "A"}}
    folders = lab.variant("ResNet-34 A", net, 3, ("he2015/table3", "ResNet-34 A"))
    lab.all_done(folders, 20, [27.0, 27.2, 27.4])
    return lab


def test_numbers_of_ten_crops_stand_beside_ours_of_ten_crops(photographs: Lab) -> None:
    for folder, error in zip(sorted(photographs.folder.iterdir()), [25, 25.2, 25.4], strict=True):
        photographs.evaluated(folder, "ten_crop", error, error - 17)
    shown = row(photographs, "ResNet-34 A")
    assert shown["test error, 1 crop"] == "27.20 ± 0.20"
    assert (shown["10-crop error"], shown["published"]) == ("25.20 ± 0.20", "25.03, unstated [1]")
    assert shown["Δ"] == "+0.17"
    assert (shown["top-5 error"], shown["published top-5"]) == ("8.20 ± 0.20", "7.76, unstated [1]")
    assert shown["Δ top-5"] == "+0.44"
    text = rendered(photographs).markdown
    assert "- 10-crop: the softmax is averaged\n" in text
    assert "evaluate.py" not in text


def test_where_ten_crops_are_missing_the_table_says_how_to_get_them(photographs: Lab) -> None:
    shown = row(photographs, "ResNet-34 A")
    assert shown["test error, 1 crop"] == "27.20 ± 0.20"
    assert (shown["10-crop error"], shown["Δ"]) == ("not evaluated", "–")
    assert (shown["top-5 error"], shown["Δ top-5"]) == ("not evaluated", "–")
    text = rendered(photographs).markdown
    command = f"    python scripts/evaluate.py {photographs.folder}/*/ --views ten_crop"
    assert f"No 10-crop error yet of 3 of 3 runs:\n\n{command}\n" in text
    first = min(photographs.folder.iterdir())
    photographs.evaluated(first, "ten_crop", 25, 8)
    assert row(photographs, "ResNet-34 A")["10-crop error"] == "25.00 ± –"
    assert "No 10-crop error yet of 2 of 3 runs" in rendered(photographs).markdown


def test_numbers_at_320_pixels_stand_beside_ours_at_320_pixels(lab: Lab) -> None:
    """He 2016, Table 5: 20.7 and 5.3 %."""
    lab.base, lab.published = {"data": "imagenet", "recipe": "he2016_imagenet"}, "he2016/table5"
    place = ("he2016/table5", "ResNet-200 pre-act, scale aug, test 320")
    folders = lab.variant("ResNet-200", {"model": "preact_resnet200"}, 1, place)
    lab.all_done(folders, 10, [22.0])
    text = rendered(lab).markdown
    command = f"    python scripts/evaluate.py {lab.folder}/*/ --views center_320"
    assert f"No 320-pixel error yet of 1 of 1 runs:\n\n{command}\n" in text
    lab.evaluated(folders[0], "center_320", 20.5, 5.2)
    shown = row(lab, "ResNet-200")
    assert (shown["test error, 1 crop"], shown["320-pixel error"]) == ("22.00 ± –", "20.50 ± –")
    assert (shown["published"], shown["Δ"]) == ("20.7, unstated [1]", "−0.20")
    assert shown["published top-5"] == "5.3, unstated [1]"
    told = " ".join(rendered(lab).markdown.split())
    assert "320-pixel errors are of the same weights, on other views of each test image" in told
    assert "He 2015's net as it was released" in told


def test_runs_that_did_not_end_have_no_views_either(photographs: Lab) -> None:
    photographs.variant("ResNet-34 B", {"model": "resnet34"}, 1, ("he2015/table3", "ResNet-34 B"))
    shown = row(photographs, "ResNet-34 B")
    assert (shown["test error, 1 crop"], shown["10-crop error"]) == ("missing", "missing")
    assert shown["top-5 error"] == "missing"
    for folder in photographs.folder.glob("resnet-34-a-*"):
        photographs.evaluated(folder, "ten_crop", 25, 8)
    assert "10-crop: the softmax is averaged (ResNet-34 A)\n" in rendered(photographs).markdown


def test_a_table_of_one_crop_needs_no_evaluation_but_shows_its_top5(lab: Lab) -> None:
    lab.base = {"data": "imagenet", "recipe": "he2015_imagenet"}
    net = {"model": {"name": "resnet50", "se": 16}}
    place = ("hu2018/table2", "ResNet-50", "se_top1")
    [folder] = lab.variant("SE-ResNet-50", net, 1, place)
    lab.done(folder, 20, 24)
    result = store.read_result(folder)
    assert result is not None
    result["test"] |= {"wrong5": 700, "top5_error": 7.0}
    disk.write_json(folder / store.RESULT, result)
    shown = row(lab, "SE-ResNet-50")
    assert "10-crop error" not in shown
    assert (shown["test error"], shown["top-5 error"]) == ("24.00 ± –", "7.00 ± –")
    assert (shown["published top-5"], shown["Δ top-5"]) == ("6.62, unstated [1]", "+0.38")


def test_the_csv_has_the_errors_on_several_views(photographs: Lab) -> None:
    photographs.evaluated(min(photographs.folder.iterdir()), "ten_crop", 25, 8)
    [record] = csv.DictReader(io.StringIO(rendered(photographs).csv))
    assert (record["views"], float(record["views_top1_error_mean"])) == ("ten_crop", 25.0)
    assert float(record["views_top5_error_mean"]) == 8.0
    assert float(record["test_top1_error_mean"]) == pytest.approx(27.2)


def test_the_source_of_the_table_is_aligned(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    text = rendered(lab).markdown
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))


def test_the_csv_parses_back_to_raw_numbers_and_full_names(lab: Lab) -> None:
    folders = lab.variant(
        "ResNet 110",
        {"model": "resnet110", "recipe.schedule.warmup_steps": 400},
        2,
        (TABLE6, "ResNet 110"),
    )
    lab.all_done(folders, 0.5, [6.51, 6.78])
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    deep, plain = csv.DictReader(io.StringIO(rendered(lab).csv))
    assert deep["difference"] == "model: resnet110; recipe.schedule.warmup_steps: 400"
    assert (int(deep["params"]), int(deep["multiply_adds"])) == (853_018, 125_485_696)
    assert float(deep["test_top1_error_mean"]) == 6.645
    assert (deep["published_value"], deep["published_kind"]) == ("6.43", "best")
    assert deep["compared_statistic"] == "mean"
    assert (plain["published_third_party"], plain["test_top1_error_mean"]) == ("True", "")


# ---- several experiments in one table ---------------------------------------------------------


def together(*labs: Lab) -> Table:
    return render_together([lab.plan() for lab in labs])


def test_one_table_over_several_experiments_names_each_and_marks_sources_alike() -> None:
    paper, third = Lab("paper"), Lab("third")
    folders = paper.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    paper.all_done(folders, 0.5, [8.0])
    third.options["budget"] = 0.5
    third.all_done(
        third.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20")), 1, [9.5]
    )
    third.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    table = together(paper, third)
    lines = [line for line in table.markdown.splitlines() if line.startswith("|")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:3] for row in shown] == [
        ["paper", "ResNet 20", "resnet20"],
        ["third", "plain-20", "plain20"],
        ["third", "ResNet 20", "resnet20"],
    ]
    assert [row[-2][-3:] for row in shown] == ["[1]", "[2]", "[1]"]
    records = list(csv.DictReader(io.StringIO(table.csv)))
    assert [(r["experiment"], r["variant"], r["test_top1_error_mean"]) for r in records] == [
        ("paper", "ResNet 20", "8.0"),
        ("third", "plain-20", "9.5"),
        ("third", "ResNet 20", ""),
    ]


def test_deviations_stand_under_the_experiment_that_they_are_of() -> None:
    whole, half = Lab("whole"), Lab("half")
    half.options["budget"] = 0.5
    for lab in (whole, half):
        lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    text = together(whole, half).markdown
    first, second = text.split("**half: Made by hand**")
    assert "**whole: Made by hand**" in first
    assert "budget 0.5: 32,000 of 64,000 steps" in second
    assert "Options: BUDGET=0.5" in second
    assert "budget 0.5" not in first and "BUDGET" not in first


def test_where_only_some_were_tested_on_held_out_images_the_column_says_so() -> None:
    test, held_out = Lab("a"), Lab("b")
    held_out.base["data"] = {"name": "cifar10", "holdout": 5000}
    for lab in (test, held_out):
        lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert "| test or held-out error |" in together(test, held_out).markdown


def test_a_difference_is_short_where_that_is_clear() -> None:
    assert (
        short_difference({"model.name": "resnet56", "model.shortcut": "C"})
        == "resnet56, shortcut=C"
    )
    assert (
        short_difference({"recipe.optimizer.name": "adam", "data.name": "mnist"})
        == "optimizer=adam, data=mnist"
    )
    assert (
        short_difference({"start.head": "zeros", "model.head": "mean"})
        == "start.head=zeros, model.head=mean"
    )
    assert (
        short_difference({"adapter.name": "lora", "start.variant": "a"}) == "adapter=lora, start=a"
    )
    assert short_difference({}) == "–"


def test_a_field_that_is_taken_away_is_told_in_a_word() -> None:
    taken = {"data.per_class": None, "data.label_fraction": None, "data.prepared": None}
    assert short_difference(taken) == "per_class=all, label_fraction=all, prepared=none"
    assert short_difference({"start": "none"}) == "start=none"  # as another field's null is shown


def test_tables_need_no_torch() -> None:
    program = (
        "import sys, reslab.report.table, reslab.report.status, reslab.report.figure;"
        "assert not {'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)"
    )
    source = Path(reslab.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(source)})


def test_nothing_in_a_table_commands_a_terminal(lab: Lab) -> None:
    """Labels, titles, notes and options, as they are shown and as they are kept."""
    lab.variant("\x1b[2J20", {"model": "resnet20"}, note="\x9b1m\u202e")
    lab.options["only"] = "\x1b]0;x\x07"
    table = render(replace(lab.plan(), title="\x1b[1m\nnext"))
    for text in (table.markdown, table.csv):
        assert UNPRINTABLE.sub("", text) == text.replace("\n", "")
    assert table.markdown.startswith("**\\x1b[1m\\nnext**\n")
    assert "\\x1b[2J20" in table.csv


# ---- what is adapted ----------------------------------------------------------------------------


def test_a_table_without_adaptation_has_no_columns_for_it(lab: Lab) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}), 0.5, [9.0])
    assert "starts from" not in row(lab, "ResNet 20")
    assert "trainable" not in rendered(lab).csv


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
    records = list(csv.DictReader(io.StringIO(rendered(lab).csv)))
    assert [record["starts_from"] for record in records] == [
        "", "from scratch", "akamaster:resnet20",
    ]  # fmt: skip
    assert [record["trainable"] for record in records] == ["853018", "650", "853018"]


def test_trainable_parameters_that_no_run_has_told_are_left_open(lab: Lab) -> None:
    lab.variant("head", {"model": "resnet20", "trains": "head"})
    assert row(lab, "head")["trainable"] == "–"
