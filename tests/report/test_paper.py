"""A folder for LaTeX, and what pdflatex makes of it.

The text of a PDF is read by poppler's pdftotext. Where either program is missing these tests are
skipped; in CI, which installs them, they fail.
"""

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from tests.conftest import missing
from tests.report.conftest import TABLE6, THIRD, Lab

from reslab.papers.schema import paper_names, read_paper
from reslab.report.bibliography import references
from reslab.report.paper import BIBLIOGRAPHY, how_to_set, write
from reslab.report.table import tabulate

HOSTILE = r"100% of_x & #1 $y$ \input{z} ^~ <a|b> [c] *d Δ±−é"
"""A label of everything that LaTeX reads otherwise."""


def filled(lab: Lab) -> Lab:
    """Done, diverged and missing runs, two papers, deviations."""
    lab.options["budget"] = 0.02
    lab.all_done(
        lab.variant("ResNet 20", {"model": "resnet20"}, 2, (TABLE6, "ResNet 20")), 0.5, [8.0, 8.4]
    )
    hostile = {"model": "plain20", "recipe.optimizer.lr": 0.2}
    lab.all_done(lab.variant(HOSTILE, hostile, 2, (THIRD, "Plain-20")), 1.0, [9.0, 18.0])
    lab.diverged(lab.variant("*56", {"model": "resnet56"}, 1, (TABLE6, "ResNet 56"))[0])
    lab.variant("[110]", {"model": "resnet110"}, 1, (TABLE6, "ResNet 110"))
    return lab


def pdf_of(main: Path) -> str:
    """Set it as the printed command does; the text of its pages, in words with one blank."""
    for program in ("pdflatex", "bibtex", "pdftotext"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed (Debian: texlive-science, poppler-utils)")
    command = how_to_set(main).replace("nonstopmode", "nonstopmode -halt-on-error")
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    log = main.with_suffix(".log").read_text(errors="replace")
    assert "undefined" not in log and "Overfull" not in log
    pdf = main.with_suffix(".pdf")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True)
    return " ".join(unicodedata.normalize("NFKC", text.stdout.decode()).split())


def test_the_folder_has_all_that_main_reads(lab: Lab) -> None:
    plan = filled(lab).plan()
    paths = write(plan)
    assert [path.name for path in paths] == [
        "curves.pdf", "depth.pdf", "differences.pdf", "table.tex",
        "verdicts.tex", "protocol.tex", "references.bib", "main.tex",
    ]  # fmt: skip
    main = paths[-1].read_text(encoding="utf-8")
    read = re.findall(r"\\(?:input|includegraphics)\{(.*?)\}", main)
    assert {plan.home / "paper" / name for name in read} <= set(paths)
    assert paths[0].read_bytes().startswith(b"%PDF")


def test_a_figure_that_needs_images_is_there_where_it_was_drawn(lab: Lab) -> None:
    plan = filled(lab).plan()
    (plan.home / "figures").mkdir(parents=True)
    (plan.home / "figures" / "mistakes.pdf").write_bytes(b"%PDF drawn")
    paths = {path.name: path for path in write(plan)}
    assert paths["mistakes.pdf"].read_bytes() == b"%PDF drawn"
    assert "{mistakes.pdf}" in paths["main.tex"].read_text(encoding="utf-8")


def test_every_citation_has_its_entry(lab: Lab) -> None:
    folder = write(filled(lab).plan())[-1].parent
    cited = {
        key
        for name in ("table.tex", "protocol.tex")
        for key in re.findall(r"\\cite\{(.*?)\}", (folder / name).read_text(encoding="utf-8"))
    }
    entries = re.findall(r"^@\w+\{(.*),$", (folder / "references.bib").read_text(), re.MULTILINE)
    assert cited == set(entries) == {note.paper for note in tabulate([lab.plan()]).sources}
    assert cited == {"he2015", "plain_net_replication"}


def test_a_pilot_has_a_paper_of_its_own(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"})
    whole = write(lab.plan())
    lab.options["budget"] = 0.02
    pilot = write(lab.plan())
    assert not set(whole) & set(pilot)
    assert "BUDGET=0.02" in (pilot[-1].parent / "protocol.tex").read_text(encoding="ascii")
    assert "BUDGET" not in (whole[-1].parent / "protocol.tex").read_text(encoding="ascii")


def test_without_published_numbers_there_is_nothing_to_cite(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"})
    main = write(lab.plan())[-1]
    assert "bibliography" not in main.read_text(encoding="utf-8")
    assert "bibtex" not in how_to_set(main)


def test_equal_runs_give_equal_files(lab: Lab) -> None:
    plan = filled(lab).plan()
    first, second = ([path.read_bytes() for path in write(plan)] for _ in range(2))
    assert first == second


@pytest.mark.process
def test_it_compiles_as_it_is_and_the_pdf_says_all(lab: Lab) -> None:
    plan = filled(lab).plan()
    text = pdf_of(write(plan)[-1])
    for label in ("ResNet 20", "100% of", "#1", "*56", "[110]", "<a|b>", "[c]"):
        assert label in text
    assert re.search(r"8\.20 ?± ?0\.28", text)
    assert re.search(r"13\.50 ?± ?6\.36", text)
    assert "diverged" in text and "missing" in text
    assert re.search(r"8\.75, unstated \[1\]", text)
    assert re.search(r"\[1\] K\. He, X\. Zhang, S\. Ren, and J\. Sun", text)
    assert "budget 0.02: 1,280 of 64,000 steps" in text
    assert "recipe.optimizer.lr: 0.2" in text
    assert "training batches" in text, "the figure"


@pytest.mark.process
def test_every_paper_can_be_cited(tmp_path: Path) -> None:
    names = paper_names()
    (tmp_path / "references.bib").write_text(references(names), encoding="ascii")
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\\usepackage{url}\\begin{document}\n\\nocite{*}\n"
        "\\sloppy" + BIBLIOGRAPHY + "\\end{document}\n"
    )
    text = pdf_of(tmp_path / "main.tex")
    assert "warning$ -- 0" in (tmp_path / "main.blg").read_text()
    for name in names:
        title = read_paper(name).citation.title.split(":")[0]
        assert not title.isascii() or title.replace("-", "").split()[0] in text.replace("-", "")
