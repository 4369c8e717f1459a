"""docs/results.md is what the files in results say, in the repository, too."""

from pathlib import Path

from tests.conftest import REPOSITORY
from tests.report.conftest import Lab

from reslab import store
from reslab.report import archive, archived


def test_the_page_is_not_stale() -> None:
    """`make results` writes it anew."""
    written = (REPOSITORY / archived.PAGE).read_text(encoding="utf-8")
    assert written == archived.page(REPOSITORY / archive.RESULTS)


def test_a_plan_has_its_command_its_table_its_figure_and_what_is_remarked(
    lab: Lab, tmp_path: Path
) -> None:
    lab.options["seeds"] = 2
    first, second = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=2)
    lab.done(first, 1.0, 8.0, seconds=90.0)
    lab.diverged(second)
    root = tmp_path / "results"
    folder = archive.archive(lab.plan(), root)
    (folder / archive.REMARKS).write_text("Seed 1 has too high a rate.\n")
    (root / archive.REMARKS).write_text("Of all.\n")
    (root / "gpu").mkdir()  # what is no plan's
    text = archived.write(root, tmp_path / "results.md").read_text(encoding="utf-8")
    table = (folder / archive.TABLE).read_text(encoding="utf-8").split("\n", 1)[1]
    parts = [
        "\nOf all.\n",
        "\n## Made by hand\n\n    make experiment NAME=made_by_hand SEEDS=2\n\n",
        "2 runs: 1 done and 1 diverged; 92 s of training in all, on 1 × cpu (x86_64) ([every run](",
        "(../results/made_by_hand@seeds=2/figure.svg)\n",
        table,
        "\nSeed 1 has too high a rate.\n",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.count("## ") == 1


def test_of_several_environments_the_most_common_is_told(lab: Lab, tmp_path: Path) -> None:
    runs = lab.variant("ResNet 20", {"model": "resnet20"}, seeds=3)
    for run, threads in zip(runs, (2, 2, 1), strict=True):
        lab.diverged(run)
        (run / store.ENV).unlink()
        lab.start(run, threads=threads, torch="2.14.1", commit="c0ffee", form="eager")
    archive.archive(lab.plan(), tmp_path)
    told = "on 1 × cpu (x86_64), 2 threads, eager, torch 2.14.1, commit c0ffee"
    assert f"{told}, and 1 other environment (" in archived.page(tmp_path)
