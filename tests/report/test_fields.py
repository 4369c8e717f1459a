"""What programs read: the fields of a table's CSV."""

from tests.report.conftest import TABLE6, THIRD, Lab, records


def test_the_csv_parses_back_to_raw_numbers_and_full_names(lab: Lab) -> None:
    folders = lab.variant(
        "ResNet 110",
        {"model": "resnet110", "recipe.schedule.warmup_steps": 400},
        2,
        (TABLE6, "ResNet 110"),
    )
    lab.all_done(folders, 0.5, [6.51, 6.78])
    lab.variant("plain-20", {"model": "plain20"}, 1, (THIRD, "Plain-20"))
    deep, plain = records(lab)
    assert deep["difference"] == "model: resnet110; recipe.schedule.warmup_steps: 400"
    assert (int(deep["params"]), int(deep["multiply_adds"])) == (853_018, 125_485_696)
    assert float(deep["test_top1_error_mean"]) == 6.645
    assert (deep["published_value"], deep["published_kind"]) == ("6.43", "best")
    assert deep["compared_statistic"] == "mean"
    assert (plain["published_third_party"], plain["test_top1_error_mean"]) == ("True", "")


def test_the_fields_of_the_csv_are_these(lab: Lab) -> None:
    """Programs of others read them by name and by place."""
    lab.variant("ResNet 20", {"model": "resnet20"})
    statistics = ("mean", "std", "best", "median")
    assert list(records(lab)[0]) == [
        "variant", "difference", "params", "multiply_adds",
        "runs_planned", "runs_done", "runs_diverged", "runs_running", "runs_crashed",
        "runs_missing",
        *(f"train_top1_error_{name}" for name in statistics),
        *(f"test_top1_error_{name}" for name in statistics),
        "views",
        *(f"views_top1_error_{name}" for name in statistics),
        *(f"views_top5_error_{name}" for name in statistics),
        "test_split",
        "published_value", "published_bound", "published_fail", "published_kind", "published_n",
        "published_best", "published_mean", "published_median", "published_std",
        "published_citation", "published_third_party", "published_verified",
        "compared_statistic", "difference_to_published",
        "test_top1_error_low", "test_top1_error_high",
        "published_difference_low", "published_difference_high", "published_p", "published_seeds",
        "published_seeds_needed", "published_reason", "verdict_published",
        "baseline", "difference_to_baseline", "baseline_difference_low",
        "baseline_difference_high", "baseline_p", "baseline_seeds", "baseline_seeds_needed",
        "baseline_reason", "baseline_lower", "baseline_equal", "verdict_baseline",
    ]  # fmt: skip
