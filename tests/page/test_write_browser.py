"""A page as a reader has it, in Chromium: tables, plots, keyboard, schemes, phones, paper."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.page.conftest import HOSTILE, Browser, filled
from tests.report.conftest import TABLE6, Lab

from reslab import disk, store
from reslab.page.write import write
from reslab.text import printable

pytestmark = pytest.mark.process

LABELS = "#results-table tbody .row-label"
LINES = "#curves-plot path[stroke-width='2']"
BANDS = "#curves-plot path[fill-opacity]"
THIN = "#curves-plot path[stroke-width='0.8']"
TEST = "#results-table th[data-key=test_top1_error_mean] button"
"""The button in the head of the test error."""
LIMIT = 3_000_000
"""Bytes of a page without embedded images."""


def shown(lab: Lab, browser: Browser, width: int = 1100, dark: bool = False) -> Browser:
    return browser.open(write([filled(lab).plan()]), width, dark)


def paths(browser: Browser, selector: str) -> list[str]:
    return [each.get_attribute("d") for each in browser.all(selector)]


def test_the_console_is_silent_and_nothing_is_fetched(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    assert browser.errors() == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0


def test_rows_sort_up_down_and_back_with_what_is_empty_last(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    first = browser.texts(LABELS)
    assert first == ["ResNet 20", "plain 20", "deep", "deeper"]
    orders = []
    for _ in range(3):
        browser.click(TEST)
        head = browser.one(TEST).find_element("xpath", "..")
        orders.append((head.get_attribute("aria-sort"), browser.texts(LABELS)))
    assert orders == [
        ("ascending", ["ResNet 20", "plain 20", "deep", "deeper"]),
        ("descending", ["plain 20", "ResNet 20", "deep", "deeper"]),
        (None, first),
    ]
    browser.click("#results-table th[data-key=variant] button")
    assert browser.texts(LABELS) == ["deep", "deeper", "plain 20", "ResNet 20"]
    assert len(browser.all("#results-table [aria-sort]")) == 1


def test_the_keyboard_reaches_a_head_sorts_by_it_and_is_seen_there(
    lab: Lab, browser: Browser
) -> None:
    shown(lab, browser)
    body = browser.one("body")
    for _ in range(40):
        browser.run("return document.activeElement").send_keys("\ue004")  # Tab
        if browser.run("return document.activeElement.closest('th')?.dataset.key") == "params":
            break
    focused = browser.run("return document.activeElement")
    assert focused.value_of_css_property("outline-style") == "solid"
    focused.send_keys("\ue007")  # Enter
    assert browser.one("th[data-key=params]").get_attribute("aria-sort") == "ascending"
    assert body.is_displayed()


def test_a_filter_by_words_or_verdict_is_of_tables_and_plots(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    lines = len(browser.all(LINES))
    browser.set("#filter", "PLAIN 20")
    assert browser.texts(LABELS) == ["plain 20"]
    assert browser.one("#shown").text == "1 of 4 variants"
    assert browser.texts("#legend tbody th") == ["plain 20"]
    assert len(browser.all(LINES)) == 1 < lines
    assert "plain 20: mean 13.00" in browser.one("#seeds-plot svg").get_attribute("aria-label")
    browser.set("#filter", "nothing like it")
    assert browser.texts(LABELS) == []
    browser.set("#filter", "")
    assert len(browser.texts(LABELS)) == 4
    words = [option.text for option in browser.all("#filter-verdict option")]
    assert words == ["any", "not comparable", "too few seeds"]
    browser.set("#filter-verdict", "not comparable")
    assert browser.texts(LABELS) == ["deep"]
    assert browser.errors() == []


def test_columns_are_hidden_and_come_back(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    heads = browser.texts("#results-table thead th")
    browser.click("#columns input[value=params]")
    assert set(heads) - set(browser.texts("#results-table thead th")) == {"params ↕"[:6]}
    assert not [cell for cell in browser.texts("#results-table td") if cell == "853 k"]
    browser.click("#columns input[value=params]")
    assert browser.texts("#results-table thead th") == heads


def test_curves_are_toggled_smoothed_and_drawn_on_other_axes(lab: Lab, browser: Browser) -> None:
    """Three variants have curves; the diverged one has its cross, another path."""
    shown(lab, browser)
    assert len(browser.all(LINES)) == 4
    assert len(browser.all(BANDS)) == 3
    browser.click("#bands")
    assert browser.all(BANDS) == []
    browser.click("#lines")
    assert len(browser.all(THIN)) == 7, "3 + 3 + 1 seeds"
    before = paths(browser, LINES)
    browser.set("#smoothing", "0.8")
    assert browser.one("#smoothed").text == "0.8"
    assert "Smoothed" in browser.one("#curves-caption").text
    assert not set(paths(browser, LINES)) & set(before)
    browser.set("#smoothing", "0")
    assert paths(browser, LINES) == before
    for axis in ("all", "log"):
        browser.set("#axis", axis)
        assert paths(browser, LINES) != before
    browser.set("#quantity", "train_loss")
    assert "loss on training batches" in browser.one("#curves-caption").text.lower()
    browser.click("#legend tbody tr:nth-child(1) input")
    assert len(browser.all(LINES)) == 3
    browser.click("#all-off")
    assert browser.one("#curves-plot").text == "No curve to draw."
    browser.click("#all-on")
    assert len(browser.all(LINES)) == 4
    assert browser.errors() == []


def test_the_values_of_curves_stand_in_a_table_at_the_chosen_step(
    lab: Lab, browser: Browser
) -> None:
    """Means of 8.0, 8.4, 8.1 and of 9, 18, 12 at the end; before it is higher."""
    shown(lab, browser)

    def values(row: int) -> list[str]:
        return browser.texts(f"#legend tbody tr:nth-child({row}) td")

    assert values(1) == ["8.17", "8.00", "8.40", "3"]
    assert values(2) == ["13.00", "9.00", "18.00", "3"]
    assert values(4) == ["–", "–", "–", "0"]
    browser.set("#step", "3200")
    assert browser.one("#step-told").text == "3,200"
    assert float(values(1)[0]) > 60
    browser.set("#step", "64000")
    assert values(1)[0] == "8.17"


def test_every_seed_is_a_dot(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    assert len(browser.all("#seeds-plot circle")) == 6
    told = [each.get_attribute("textContent") for each in browser.all("#seeds-plot circle title")]
    assert told[:2] == ["seed 0: 8.00 %", "seed 1: 8.40 %"]
    assert "1 div." in browser.one("#seeds-plot").text


def test_dark_where_the_reader_wants_it(lab: Lab, browser: Browser) -> None:
    page = write([filled(lab).plan()])
    grounds = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        style = "return getComputedStyle(document.body).backgroundColor"
        red = int(browser.run(style).partition("(")[2].partition(",")[0])
        grounds.append(red)
    assert grounds[0] > 240 and grounds[1] < 40


def test_on_a_phone_the_page_stays_and_tables_scroll_in_their_boxes(
    lab: Lab, browser: Browser
) -> None:
    """360 px, with a label longer than that."""
    long = f"{HOSTILE} {'word ' * 12}{'x' * 80}"
    lab.all_done(lab.variant(long, {"model": "resnet20"}, 2, (TABLE6, "ResNet 20")), 0.5, [8, 9.0])
    shown(lab, browser, width=360)
    assert browser.run("return document.documentElement.scrollWidth") == 360
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert browser.run("return document.documentElement.scrollWidth") == 360
    box = "document.getElementById('results-table').parentElement"
    assert browser.run(f"return {box}.scrollWidth > {box}.clientWidth")
    assert browser.errors() == []


def test_what_others_have_named_is_never_run(lab: Lab, browser: Browser) -> None:
    lab.all_done(lab.variant(HOSTILE, {"model": "resnet20"}, 2), 0.5, [8.0, 9.0])
    shown(lab, browser)
    browser.set("#filter", "pwned")
    assert browser.texts(LABELS) == [printable(HOSTILE)]
    assert printable(HOSTILE) in browser.one("#legend").text
    assert browser.run("return [typeof pwned, document.querySelectorAll('b').length]") == [
        "undefined", 0,
    ]  # fmt: skip
    assert browser.errors() == []


def test_every_control_has_a_name(lab: Lab, browser: Browser) -> None:
    shown(lab, browser)
    assert (
        browser.run(
            "return [...document.querySelectorAll('input, select, button')]"
            ".filter((each) => !each.labels?.length && !each.textContent.trim())"
            ".map((each) => each.outerHTML)"
        )
        == []
    )
    names = [each.accessible_name for each in browser.all("svg[role=img]")]
    assert len(names) == 2 and all(names)


def test_it_prints_with_all_that_is_folded_away(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    shown(lab, browser)
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert browser.all("details[open]") == []
    if shutil.which("pdftotext"):
        (tmp_path / "page.pdf").write_bytes(pdf)
        run = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True)
        text = run.stdout.decode()
        assert "recipe.batch_size" in text and "plain 20" in text
        assert "worst to best seed" not in text.partition("Curves")[0]


def test_without_a_script_tables_and_notes_are_read(lab: Lab, browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    shown(lab, browser)
    try:
        assert browser.texts(LABELS) == ["ResNet 20", "plain 20", "deep", "deeper"]
        assert "which your browser does not run" in browser.one("noscript").text
        assert not browser.one("#filter").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_several_plans_stand_on_one_page(lab: Lab, browser: Browser) -> None:
    other = Lab("other")
    browser.open(write([filled(lab).plan(), filled(other).plan()]))
    assert len(browser.texts(LABELS)) == 8
    browser.set("#filter", "other deep")
    assert browser.texts("#legend tbody th") == ["other: deep", "other: deeper"]
    assert browser.errors() == []


def test_two_hundred_runs_of_a_thousand_points_are_at_hand(lab: Lab, browser: Browser) -> None:
    """A line has no more points than what it is thinned to, and all that is toggled stays."""
    page = write([crowd(lab).plan()])
    assert page.stat().st_size < LIMIT
    browser.open(page)
    assert len(browser.texts(LABELS)) == 40
    assert len(browser.all(LINES)) == 40
    points = max(path.count("L") for path in paths(browser, LINES))
    assert 100 < points <= 200
    assert "thinned" in browser.one("#curves-caption").text
    browser.click("#lines")
    assert len(browser.all(THIN)) == 200
    browser.set("#filter", "lr=3.1")
    assert browser.texts(LABELS) == ["width 3"]
    assert browser.errors() == []


def crowd(lab: Lab, variants: int = 40, seeds: int = 5, points: int = 1000) -> Lab:
    """Runs with as many rows of training batches, and of evaluations."""
    for i in range(variants):
        folders = lab.variant(
            f"width {i}", {"model": "resnet20", "recipe.optimizer.lr": 0.1 + i}, seeds
        )
        for seed, folder in enumerate(folders):
            lab.done(folder, 0.5, 8 + i / 10 + seed / 7)
            disk.write_text(folder / store.METRICS, metrics(points, i + seed / 7))
    return lab


def metrics(points: int, shift: float) -> str:
    """As training writes them: every digit of a float, none of them equal."""
    rows = []
    for n in range(1, points + 1):
        error = 8 + shift + 90 / n**0.5 * (1 + 0.1 * ((7919 * n) % 97) / 97)
        for split in ("train", "test"):
            rows.append({"step": 64 * n, f"{split}_top1_error": error, f"{split}_loss": error / 37})
    return "".join(f"{disk.to_json(row)}\n" for row in rows)
