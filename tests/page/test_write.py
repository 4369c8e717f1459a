"""One file that opens without a network, in which nobody's words are read as HTML."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from tests.page.conftest import HOSTILE, Parsed, filled, page_of
from tests.report.conftest import Lab

from reslab import store
from reslab.page.write import HERE, write
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.text import printable


def test_every_cell_of_the_table_stands_on_the_page(lab: Lab) -> None:
    table = tabulate([filled(lab).plan()])
    head, *rows = page_of(lab).tables["results-table"]
    assert head == [column.head for column in table.columns]
    texts = [[re.sub(r" \[\d+\]$", "", cell) for cell in row] for row in rows]
    assert texts == [[row[column.key].text for column in table.columns] for row in table.rows]


def test_every_note_stands_on_the_page(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    table = tabulate([filled(lab).plan()])
    told = " ".join(page_of(lab).text.split())
    notes = [note.text.removesuffix(f": {note.word}") for note in table.notes]
    assert len(notes) > 15
    assert [note for note in notes if note not in told] == []


def test_of_several_plans_every_note_stands_there_once_for_each(lab: Lab) -> None:
    other = Lab("other")
    other.options["budget"] = 0.02
    plans = [filled(lab).plan(), filled(other).plan()]
    path = write(plans)
    assert path == store.runs_root() / "compare.html"
    found = Parsed(path.read_text(encoding="utf-8"))
    told = " ".join(found.text.split())
    notes = [note.text.removesuffix(f": {note.word}") for note in tabulate(plans).notes]
    assert [note for note in notes if note not in told] == []
    assert len(found.tables["results-table"]) == 1 + 8


def test_what_others_have_named_is_text(lab: Lab) -> None:
    harmless = page_of(filled(lab))
    other = Lab("other")
    filled(other)
    other.all_done(other.variant(HOSTILE, {"model": "resnet20"}, 2), 0.5, [8.0, 8.5])
    found = page_of(other)
    count = {tag: sum(tag == name for name, _ in found.elements) for tag in ("script", "b")}
    assert count == {"script": 2, "b": 0}
    assert len(found.scripts) == len(harmless.scripts)
    assert not [name for _, attributes in found.elements for name in attributes if name[:2] == "on"]
    assert printable(HOSTILE) in [row[0] for row in found.tables["results-table"]]
    [data] = [text for text in found.scripts if text.startswith("{")]
    assert "<" not in data and "\u202e" not in data
    assert json.loads(data)["variants"][-1]["label"] == printable(HOSTILE)
    assert "\x1b" not in found.text and "\u202e" not in found.text


def test_nothing_is_fetched_and_no_other_script_runs(lab: Lab) -> None:
    found = page_of(filled(lab))
    [policy] = [a["content"] for _, a in found.elements if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy) and "connect-src 'none'" in policy
    assert [tag for tag, attributes in found.elements if "src" in attributes] == []
    assert [link for link in found.of("link", "href") if link != "data:,"] == []
    assert "url(" not in (HERE / "page.css").read_text() and "@import" not in found.text
    addresses = [link for link in found.of("a", "href") if "://" in link]
    assert addresses == ["https://arxiv.org/abs/1512.03385"]


def test_every_link_leads_to_a_file_or_a_place_on_the_page(lab: Lab) -> None:
    page = write([filled(lab).plan()])
    found = Parsed(page.read_text(encoding="utf-8"))
    places = {a["id"] for _, a in found.elements if "id" in a}
    for link in found.of("a", "href"):
        if link.startswith("#"):
            assert link[1:] in places
        elif "://" not in link:
            assert (page.parent / link).exists(), link


def test_it_is_read_by_a_screen_reader(lab: Lab) -> None:
    """Heads have a scope, tables a caption, regions and pictures a name; headings skip no level."""
    found = page_of(filled(lab))
    tags = [tag for tag, _ in found.elements]
    assert all("scope" in a for tag, a in found.elements if tag == "th")
    assert tags.count("caption") == tags.count("table")
    assert all(a["aria-label"] for _, a in found.elements if a.get("role") == "region")
    assert found.of("html", "lang") == ["en"] and tags.count("main") == tags.count("h1") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    labelled = [a for tag, a in found.elements for name in ("aria-labelledby", "aria-describedby")
                if name in a and a[name] not in ids]  # fmt: skip
    assert labelled == []


def test_a_pilot_has_a_page_of_its_own(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"})
    whole = write([lab.plan()])
    lab.options["budget"] = 0.02
    pilot = write([lab.plan()])
    assert whole == lab.folder / "page.html" and pilot.parent == lab.folder / "plans/budget=0.02"
    assert "BUDGET=0.02" in pilot.read_text("utf-8") and "BUDGET" not in whole.read_text("utf-8")


def test_equal_runs_give_equal_files(lab: Lab) -> None:
    plan = filled(lab).plan()
    assert write([plan]).read_bytes() == write([plan]).read_bytes()


def test_before_the_first_run_the_page_says_so(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"}, 2)
    assert "1 variant, 2 runs: 2 pending" in page_of(lab).text


# ---- colours ------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 for text; 1.4.11: 3 for lines of plots."""
    css = (HERE / "page.css").read_text(encoding="utf-8")
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)")
    colours = dict(
        re.findall(
            r"--(\w+): (#[0-9a-f]{6});", dark.partition("* {")[0] if scheme == "dark" else light
        )
    )
    for name in (
        "ink",
        "soft",
        "accent",
        "good",
        "bad",
        "same",
        "unsure",
        *(f"c{i}" for i in range(8)),
    ):
        for ground in ("paper", "raised"):
            low, high = sorted((luminance(colours[name]), luminance(colours[ground])))
            needed = 3 if name[0] == "c" else 4.5
            assert (high + 0.05) / (low + 0.05) >= needed, (name, ground)


def test_what_the_page_is_made_of_is_installed_with_the_package(repository: Path) -> None:
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    kinds = {path.suffix for path in HERE.iterdir() if path.suffix not in (".py", "")}
    assert kinds == {".html", ".css", ".js"}
    assert all(f'"page/*{kind}"' in text for kind in kinds)


def test_markdown_and_the_page_tell_the_same_verdicts(lab: Lab) -> None:
    told = markdown(tabulate([filled(lab).plan()]))
    words = re.findall(r'class="verdict ([\w-]+)"', write([lab.plan()]).read_text("utf-8"))
    assert set(words) == {"not-comparable", "too-few-seeds"}
    assert all(word.replace("-", " ") in told for word in words)
