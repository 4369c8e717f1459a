"""A variant's statistics, and like beside like: of the same images and the same views."""

import pytest
from tests.report.conftest import TABLE6, Lab, records, rendered, row

from reslab import disk, store


def test_errors_on_held_out_images_are_not_subtracted_from_test_errors(lab: Lab) -> None:
    lab.base["data"] = {"name": "cifar10", "holdout": 5000}
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20"))
    lab.all_done(folders, 0.5, [9.0])
    shown = row(lab, "ResNet 20")
    assert (shown["held-out error"], shown["Δ"]) == ("9.00 ± –", "–")


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
    text = rendered(photographs)
    assert "- 10-crop: the softmax is averaged\n" in text
    assert "evaluate.py" not in text


def test_where_ten_crops_are_missing_the_table_says_how_to_get_them(photographs: Lab) -> None:
    shown = row(photographs, "ResNet-34 A")
    assert shown["test error, 1 crop"] == "27.20 ± 0.20"
    assert (shown["10-crop error"], shown["Δ"]) == ("not evaluated", "–")
    assert (shown["top-5 error"], shown["Δ top-5"]) == ("not evaluated", "–")
    text = rendered(photographs)
    command = f"    python scripts/evaluate.py {photographs.folder}/*-s*/ --views ten_crop"
    assert f"No 10-crop error yet of 3 of 3 runs:\n\n{command}\n" in text
    first = min(photographs.folder.iterdir())
    photographs.evaluated(first, "ten_crop", 25, 8)
    assert row(photographs, "ResNet-34 A")["10-crop error"] == "25.00 ± –"
    assert "No 10-crop error yet of 2 of 3 runs" in rendered(photographs)


def test_numbers_at_320_pixels_stand_beside_ours_at_320_pixels(lab: Lab) -> None:
    """He 2016, Table 5: 20.7 and 5.3 %."""
    lab.base, lab.published = {"data": "imagenet", "recipe": "he2016_imagenet"}, "he2016/table5"
    place = ("he2016/table5", "ResNet-200 pre-act, scale aug, test 320")
    folders = lab.variant("ResNet-200", {"model": "preact_resnet200"}, 1, place)
    lab.all_done(folders, 10, [22.0])
    text = rendered(lab)
    command = f"    python scripts/evaluate.py {lab.folder}/*-s*/ --views center_320"
    assert f"No 320-pixel error yet of 1 of 1 runs:\n\n{command}\n" in text
    lab.evaluated(folders[0], "center_320", 20.5, 5.2)
    shown = row(lab, "ResNet-200")
    assert (shown["test error, 1 crop"], shown["320-pixel error"]) == ("22.00 ± –", "20.50 ± –")
    assert (shown["published"], shown["Δ"]) == ("20.7, unstated [1]", "−0.20")
    assert shown["published top-5"] == "5.3, unstated [1]"
    told = " ".join(rendered(lab).split())
    assert "320-pixel errors are of the same weights, on other views of each test image" in told
    assert "He 2015's net as it was released" in told


def test_runs_that_did_not_end_have_no_views_either(photographs: Lab) -> None:
    photographs.variant("ResNet-34 B", {"model": "resnet34"}, 1, ("he2015/table3", "ResNet-34 B"))
    shown = row(photographs, "ResNet-34 B")
    assert (shown["test error, 1 crop"], shown["10-crop error"]) == ("missing", "missing")
    assert shown["top-5 error"] == "missing"
    for folder in photographs.folder.glob("resnet-34-a-*"):
        photographs.evaluated(folder, "ten_crop", 25, 8)
    assert "10-crop: the softmax is averaged (ResNet-34 A)\n" in rendered(photographs)


def test_a_table_of_one_crop_needs_no_evaluation_but_shows_its_top5(lab: Lab) -> None:
    lab.base = {"data": "imagenet", "recipe": "hu2018_imagenet"}
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
    [record] = records(photographs)
    assert (record["views"], float(record["views_top1_error_mean"])) == ("ten_crop", 25.0)
    assert float(record["views_top5_error_mean"]) == 8.0
    assert float(record["test_top1_error_mean"]) == pytest.approx(27.2)
