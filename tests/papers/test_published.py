"""Numbers, protocols and counts are found by reference; an unknown one is named with its like."""

import pytest

from reslab.errors import UserError
from reslab.papers.published import cell, counts, protocol_of, table, top5

TABLE6 = "he2015/table6"


def test_resnet_110_is_printed_as_the_best_and_the_mean_of_five() -> None:
    published = cell(TABLE6, "ResNet 110")
    assert (published.value, published.kind, published.n) == (6.43, "best", 5)
    assert (published.best, published.mean, published.std) == (6.43, 6.61, 0.16)
    assert published.statistic == "best of 5"
    assert published.citation == "He 2015, Table 6"
    assert published.verified == "paper_text" and not published.third_party


def test_the_other_nets_of_table_6_have_no_stated_statistic() -> None:
    published = cell(TABLE6, "ResNet 56")
    assert (published.value, published.kind, published.n) == (6.97, "unstated", None)


def test_a_plain_net_of_110_layers_is_above_60_per_cent() -> None:
    published = cell("he2015/figure6", "plain-110")
    assert (published.value, published.bound) == (60, "above")


def test_a_third_party_is_marked_in_every_citation() -> None:
    published = cell("plain_net_replication/table", "Plain-56")
    assert published.third_party
    assert "third party" in published.citation and "third party" in published.reference
    assert published.statistic == "1 run"
    source = counts("plain20")
    assert source is not None and "third party" in source["source"]


def test_an_unread_source_is_marked_as_memory() -> None:
    assert cell("mnist_article/article", "ResNet").verified == "memory"


def test_a_column_is_the_first_one_unless_it_is_named() -> None:
    ref, row = "plain_net_replication/table", "Plain-20"
    assert cell(ref, row).value == 9.63
    assert cell(ref, row, "train_error").value == 1.23


def test_a_top1_error_has_the_top5_error_of_its_row() -> None:
    found = top5(cell("he2015/table3", "ResNet-34 A"))
    assert found is not None
    assert (found.value, found.column, found.views) == (7.76, "top5_error", "ten_crop")
    found = top5(cell("chollet2017/table1", "Xception"))
    assert found is not None
    assert found.value == 5.5  # printed as an accuracy of 0.945
    found = top5(cell("he2016/table5", "ResNet-200 pre-act, scale aug, test 320"))
    assert found is not None
    assert (found.value, found.views) == (5.3, "center_320")
    row = "ResNet-152 original, scale aug, test 224"
    assert cell("he2016/table5", row).views == "single"
    assert cell("xie2017/table5", "ResNeXt-101 64x4d", "top1_320_299").views == "center_320"
    assert top5(cell("he2015/table2", "plain 18")) is None
    assert top5(cell(TABLE6, "ResNet 20")) is None
    assert top5(found) is None


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("he2015", "ResNet 20"), "paper/table"),
        (("he2105/table6", "ResNet 20"), "did you mean he2015"),
        (("he2015/tabel6", "ResNet 20"), "did you mean table6"),
        ((TABLE6, "ResNet 57"), "did you mean ResNet 56"),
        ((TABLE6, "ResNet 56", "tset_error"), "did you mean test_error"),
        (("he2015/figure6", "ResNet-1202"), "prints no test_error"),
        (("he2015/table1", "18-layer"), "only counts"),
        (("../he2015/table6", "ResNet 20"), "no paper is called"),
    ],
)
def test_an_unknown_place_is_an_error_that_names_what_is_near(
    place: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        cell(*place)


def test_only_resnet_110_of_table_6_is_warmed_up() -> None:
    common, deepest = protocol_of(TABLE6), protocol_of(TABLE6, "ResNet 110")
    assert common is not None and deepest is not None
    assert common.fields["recipe.schedule.warmup_steps"] == 0
    assert "80 %" in deepest.fields["recipe.schedule.warmup_steps"]
    assert deepest.fields["recipe.schedule.warmup_lr"] == 0.01


def test_of_resnet_1202s_warm_up_the_paper_is_silent() -> None:
    protocol = protocol_of(TABLE6, "ResNet 1202")
    assert protocol is not None
    assert "recipe.schedule.warmup_steps" in protocol.silent_on
    assert "recipe.schedule.warmup_steps" not in protocol.fields


def test_a_row_names_its_net_and_its_shortcut() -> None:
    protocol = protocol_of("he2015/table3", "ResNet-34 A")
    assert protocol is not None
    assert protocol.fields["model.units"] == [3, 4, 6, 3]
    assert protocol.fields["model.shortcut"] == "A"


def test_how_the_third_party_trained_is_not_recorded() -> None:
    assert protocol_of("plain_net_replication/table", "Plain-20") is None


def test_counts_are_the_printed_ones() -> None:
    assert counts("resnet56") == {
        "params_m": 0.85,
        "gmacs": 0.125,
        "source": "He 2015, Table 6; Li 2017, Table 1",
    }
    assert counts("resnet34") == {
        "params_m": 21.797672,
        "gmacs": 3.6,
        "source": "torchvision, weights metadata (third party); He 2015, Table 1",
    }
    assert counts("resnet152") == {  # He 2015's 11.3 is of the net that strides in its first 1×1
        "params_m": 60.192808,
        "gmacs": 11.514,
        "source": "torchvision, weights metadata (third party)",
    }
    assert counts("plain8") is None


def test_a_column_can_be_from_memory_where_the_row_was_read() -> None:
    """Liu 2019, Table 1: 93.05 ± 0.18 and 92.67 ± 0.14, as errors."""
    read = cell("liu2019/table1", "ResNet-56-B", "scratch_b")
    recalled = cell("liu2019/table1", "ResNet-56-B", "fine_tuned")
    assert (read.mean, read.std, read.n, read.verified) == (6.95, 0.18, 5, "third_party_repo")
    assert (recalled.mean, recalled.std, recalled.verified) == (7.33, 0.14, "memory")


def test_an_accuracy_is_looked_up_as_an_error() -> None:
    assert cell("chollet2017/table1", "Xception").value == 21.0  # printed as 0.790
    assert cell("torchvision/v1", "ResNet50_Weights.IMAGENET1K_V1").value == 23.87  # as 76.13 %


def test_the_spread_of_accuracies_is_that_of_the_errors() -> None:
    ref, row = "de2020/table1", "SkipInit alpha=0, 16-4 WRN"
    found, printed = cell(ref, row), table(ref).rows[row].values["test_accuracy"]
    assert printed is not None and printed.mean is not None
    assert (found.mean, found.std) == (round(100 - printed.mean, 1), printed.std)


def test_a_column_has_a_net_and_fields_of_its_own() -> None:
    basic, bottleneck = (
        protocol_of("he2016/table2", "full pre-activation", column)
        for column in ("resnet110", "resnet164")
    )
    assert basic is not None and bottleneck is not None
    assert (basic.fields["model.units"], bottleneck.fields["model.units"]) == ([18] * 3, [18] * 3)
    assert (basic.fields["model.branch"], bottleneck.fields["model.branch"]) == (
        "basic",
        "bottleneck",
    )
    assert basic.fields["model.order"] == "full_preactivation"
    hundred = protocol_of("xie2017/table7", "ResNeXt-29 8x64d", "cifar100")
    assert hundred is not None and hundred.fields["data.name"] == "cifar100"


def test_a_column_of_which_there_is_none_is_named_with_its_like() -> None:
    with pytest.raises(UserError, match="did you mean resnet110"):
        protocol_of("he2016/table2", "original unit", "resnet11")


def test_he_2016_prints_fail_for_a_net_that_did_not_train() -> None:
    published = cell("he2016/table1", "dropout shortcut (0.5)")
    assert published.fail and published.value is None


def test_what_a_table_says_of_all_its_numbers_goes_with_each() -> None:
    ref = "de2020/table1"
    assert "flatters" in str(table(ref).note)
    assert {cell(ref, row).note for row in table(ref).rows} == {table(ref).note}


def test_a_tables_statistic_is_that_of_each_number() -> None:
    published = cell("xie2017/table7", "ResNeXt-29 8x64d")
    assert (published.statistic, published.mean, published.n) == ("mean of 10", 3.65, 10)


def test_counts_are_neither_quoted_nor_remembered_nor_of_changed_nets() -> None:
    assert counts("resnet1202") == {"params_m": 19.4, "gmacs": None, "source": "He 2015, Table 6"}
    assert counts("resnet50d") is None
    assert (counts("resnet50") or {}).get("gmacs") != 3.8  # that net strides in its first 1×1
    assert counts("seresnet50") is None  # Hu 2018, Table 10, counts nets without biases
    assert counts("xception") == {
        "params_m": 22.855952,
        "gmacs": None,
        "source": "Chollet 2017, Table 3",
    }


def test_what_only_the_zoo_has_is_no_papers_word() -> None:
    """The zoo's WRN-28-10 might be wrong: its protocol says how it begins."""
    wide = protocol_of("zagoruyko2016/table5", "WRN-28-10", "cifar10")
    assert wide is not None
    assert wide.fields["model.init"] == "fan_in"  # models/utils.lua
    assert wide.fields["model.units"] == [4, 4, 4]
    assert "model.stride_on" not in wide.fields and "model.stride_on" in wide.unstated
    resnet = protocol_of(TABLE6, "ResNet 20")
    assert resnet is not None
    assert "model.init" in resnet.silent_on and "model.init" not in resnet.unstated


def test_resnet_1001_with_batches_of_64_is_the_released_codes() -> None:
    """README of resnet-1k-layers: -batchSize 64 -nGPU 2 -nEpochs 200 in fb.resnet.torch, whose
    train.lua drops the rate from epochs 81 and 122 on."""
    row = protocol_of("he2016/table4_cifar10", "ResNet-1001 [ours], batch 64")
    assert row is not None
    assert row.fields["recipe.steps"] == 200 * 50_000 // 64 == 156_250
    assert row.fields["recipe.schedule.milestones"] == [80 * 50_000 // 64, 121 * 50_000 // 64]
    assert row.fields["recipe.optimizer.nesterov"] is True
    assert row.fields["recipe.schedule.warmup_steps"] == 0
    assert row.fields["recipe.normalization"] == "channel"
    assert row.normalization_batch == 32
    other = protocol_of("he2016/table4_cifar10", "ResNet-1001 [ours], batch 128")
    assert other is not None
    assert (other.fields["recipe.steps"], other.normalization_batch) == (64_000, 64)


@pytest.mark.parametrize("protocol", ["table4", "table5"])
def test_wide_nets_drop_as_epochs_begin_and_leave_out_the_incomplete_batch(protocol: str) -> None:
    """train.lua: 390 batches an epoch; epoch_step {60,120,160} is read before the epoch."""
    training = protocol_of(f"zagoruyko2016/{protocol}", "WRN-28-10", "cifar10")
    assert training is not None
    assert training.fields["recipe.steps"] == 200 * 390
    milestones = [epoch * 390 for epoch in (59, 119, 159)]
    assert training.fields["recipe.schedule.milestones"] == milestones


def test_a_sentence_on_what_has_no_field_is_told_where_it_fits() -> None:
    told = {
        column: protocol_of("zagoruyko2016/table5", "WRN-28-10", column)
        for column in ("cifar10", "cifar100")
    }
    ten, hundred = told["cifar10"], told["cifar100"]
    assert ten is not None and hundred is not None
    [further] = set(hundred.differs) - set(ten.differs)
    assert further.startswith("CIFAR-100 is normalised with the mean and standard deviation of CIF")
    assert any("optimiser's state is replaced" in line for line in ten.differs)
    caffe = protocol_of("he2015/table3", "ResNet-34 B")
    assert caffe is not None
    assert [line.split()[0] for line in caffe.differs] == ["Caffe's", "BatchNorm's", "the"]
    assert "max-pooling" in caffe.differs[-1]
