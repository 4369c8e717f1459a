"""Papers as BibTeX entries."""

import re

import pytest

from reslab.papers.schema import Citation, paper_names, read_paper
from reslab.report.bibliography import entry, references


def fields(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) = \{(.*)\},$", text, re.MULTILINE))


def test_a_paper_of_a_conference_has_all_that_bibtex_asks_for() -> None:
    text = entry("xie2017", read_paper("xie2017").citation)
    assert text.startswith("@inproceedings{xie2017,\n")
    assert fields(text) == {
        "author": r"S. Xie and R. Girshick and P. Doll{\'{a}}r and Z. Tu and K. He",
        "title": "{Aggregated Residual Transformations for Deep Neural Networks}",
        "booktitle": "Proceedings of the IEEE Conference on Computer Vision and Pattern "
        "Recognition",
        "year": "2017",
        "eprint": "1611.05431",
        "archiveprefix": "arXiv",
    }


def test_the_year_of_an_entry_is_that_of_the_proceedings() -> None:
    """He 2015 was on arXiv in December 2015, and in CVPR 2016."""
    assert fields(entry("he2015", read_paper("he2015").citation))["year"] == "2016"


def test_a_paper_of_a_journal_is_an_article() -> None:
    text = entry("hu2018", read_paper("hu2018").citation)
    assert text.startswith("@article{hu2018,\n")
    assert fields(text)["journal"].startswith("IEEE Transactions")


def test_code_is_cited_by_its_address() -> None:
    text = entry("hysts", read_paper("hysts").citation)
    assert text.startswith("@misc{hysts,\n")
    assert (
        fields(text)["howpublished"]
        == r"\url{https://github.com/hysts/pytorch_image_classification}"
    )


def test_a_preprint_is_cited_by_its_number() -> None:
    work = Citation(authors="J. Doe", title="50 % & more", year=2020, arxiv="2001.00001")
    assert fields(entry("doe", work)) == {
        "author": "J. Doe",
        "title": r"{50 \% \& more}",
        "year": "2020",
        "eprint": "2001.00001",
        "archiveprefix": "arXiv",
        "howpublished": "arXiv:2001.00001",
    }


def test_a_title_in_other_letters_is_translated() -> None:
    found = fields(entry("mnist_article", read_paper("mnist_article").citation))
    assert "U+" not in found["title"]
    assert found["note"] == "Title translated"


@pytest.mark.parametrize("name", paper_names())
def test_every_paper_has_an_entry_in_letters_that_latex_has(name: str) -> None:
    text = entry(name, read_paper(name).citation)
    found = fields(text)
    assert text.isascii() and "U+" not in text
    assert {"author", "key"} & found.keys() and found["title"]
    if read_paper(name).citation.arxiv:
        assert {"author", "year"} <= found.keys()
        assert {"booktitle", "journal"} & found.keys()


def test_a_work_stands_once() -> None:
    assert references(["he2015", "he2016", "he2015"]).count("@") == 2
