"""A document's table and figure come from files, by a command, once all runs are final."""

from pathlib import Path

import pytest
from tests.report.conftest import TABLE6, Lab

from reslab.errors import UserError
from reslab.report.document import insert
from reslab.report.markdown import markdown
from reslab.report.table import tabulate

MARKED = "before\n<!-- made_by_hand:begin -->\nformer\n<!-- made_by_hand:end -->\nafter\n"


def test_the_table_replaces_what_stood_between_the_marks(lab: Lab, tmp_path: Path) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2), 1.0, [8.0, 9.0])
    document = tmp_path / "README.md"
    document.write_text(MARKED)
    for _ in range(2):  # twice is once
        insert(document, tmp_path / "images", lab.plan())
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count(markdown(tabulate([lab.plan()]))) == 1
    assert "former" not in text
    assert (tmp_path / "images" / "made_by_hand.png").read_bytes().startswith(b"\x89PNG")


def test_a_mark_may_name_columns_and_keeps_them(lab: Lab, tmp_path: Path) -> None:
    lab.all_done(lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2), 1.0, [8.0, 9.0])
    document = tmp_path / "README.md"
    begin = "<!-- made_by_hand:begin variant, test_top1_error_mean -->\n"
    document.write_text(f"{begin}<!-- made_by_hand:end -->\n")
    for _ in range(2):
        insert(document, tmp_path, lab.plan())
    text = document.read_text()
    assert text.startswith(begin)
    [head] = [line for line in text.splitlines() if line.startswith("| variant")]
    assert [word.strip() for word in head.split("|")[1:-1]] == ["variant", "test error"]
    assert "mean ± standard deviation" not in text
    document.write_text(
        begin.replace("test_top1_error_mean", "sharpness") + "<!-- made_by_hand:end -->\n"
    )
    with pytest.raises(UserError, match="no column sharpness; there are variant"):
        insert(document, tmp_path, lab.plan())


def test_a_published_number_stands_there_without_the_mark_of_a_source_that_is_not_told(
    lab: Lab, tmp_path: Path
) -> None:
    lab.all_done(lab.variant("a", {"model": "resnet20"}, 1, (TABLE6, "ResNet 20")), 1.0, [8.0])
    document = tmp_path / "README.md"
    document.write_text(
        "<!-- made_by_hand:begin variant, published_value -->\n<!-- made_by_hand:end -->\n"
    )
    insert(document, tmp_path, lab.plan())
    assert "8.75, unstated |" in document.read_text()


def test_an_unfinished_experiment_and_a_document_without_a_place_are_refused(
    lab: Lab, tmp_path: Path
) -> None:
    done, missing = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2)
    lab.done(done, 1.0, 8.0)
    document = tmp_path / "README.md"
    document.write_text("no place")
    with pytest.raises(UserError, match=f"not finished: {missing.name}"):
        insert(document, tmp_path, lab.plan())
    lab.done(missing, 1.0, 8.0)
    with pytest.raises(UserError, match="one place"):
        insert(document, tmp_path, lab.plan())
    assert document.read_text() == "no place"
