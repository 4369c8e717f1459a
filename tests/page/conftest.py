"""Pages of run folders made by hand, read as HTML and in a browser.

The browser is Debian's Chromium with its chromedriver; where one is missing these tests are
skipped, and in CI, which installs them, they fail. Neither is looked for in a network.
"""

import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import missing
from tests.report.conftest import TABLE6, Lab

from reslab.page.write import write

HOSTILE = "</script><script>pwned=1</script><b onclick='pwned=1'>\"&lt; & 'é' {{ 7 }}\u202e\x1b[31m"
"""A label of everything that HTML, a template or a terminal reads otherwise."""


@pytest.fixture
def lab() -> Lab:
    return Lab()


def filled(lab: Lab) -> Lab:
    """Two variants done with all their seeds, one diverged, one not begun; published numbers."""
    lab.all_done(
        lab.variant("ResNet 20", {"model": "resnet20"}, 3, (TABLE6, "ResNet 20")),
        0.5,
        [8.0, 8.4, 8.1],
    )
    lab.all_done(
        lab.variant("plain 20", {"model": "plain20", "recipe.optimizer.lr": 0.2}, 3),
        1.0,
        [9.0, 18.0, 12.0],
    )
    lab.diverged(lab.variant("deep", {"model": "resnet56"}, 1, (TABLE6, "ResNet 56"))[0])
    lab.variant("deeper", {"model": "resnet110"}, 1, (TABLE6, "ResNet 110"))
    return lab


class Parsed(HTMLParser):
    """What a page's HTML is made of: its elements, and the texts of tables, cell by cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.scripts: list[str] = []
        self.text = ""
        self._rows: list[list[str]] = []
        self._within: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag == "table":
            self._rows = self.tables.setdefault(found.get("id", str(len(self.tables))), [])
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td"):
            self._rows[-1].append("")
        if tag in ("script", "style", "th", "td"):
            self._within = tag
            if tag == "script":
                self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data
        elif self._within != "style":
            self.text += data
            if self._within:
                self._rows[-1][-1] += data

    def of(self, tag: str, attribute: str) -> list[str]:
        """An attribute of all elements of a kind that have it."""
        return [
            found[attribute] for name, found in self.elements if name == tag and attribute in found
        ]


def page_of(*labs: Lab) -> Parsed:
    return Parsed(write([lab.plan() for lab in labs]).read_text(encoding="utf-8"))


# ---- a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking",
        "disable-component-update", "no-first-run", "no-proxy-server",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


class Browser:
    """A page in the browser, as a reader has it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, where: Path | str, width: int = 1100, dark: bool = False) -> "Browser":
        """Open a file, or an address, in a window of some width."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(where.resolve().as_uri() if isinstance(where, Path) else where)
        return self

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *values)

    def all(self, selector: str) -> list[Any]:
        """Elements."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        """The first of these."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Of the elements that are seen."""
        return [each.text for each in self.all(selector) if each.is_displayed()]

    def set(self, selector: str, value: str) -> None:
        """Set a field, as a person would: its event is sent."""
        self.run(
            "arguments[0].value = arguments[1];"
            "for (const kind of ['input', 'change'])"
            " arguments[0].dispatchEvent(new Event(kind, {bubbles: true}))",
            self.one(selector),
            value,
        )

    def click(self, selector: str) -> None:
        """The first of these, wherever it is scrolled to."""
        self.run("arguments[0].click()", self.one(selector))

    def errors(self) -> list[Any]:
        """What the console says."""
        return list(self.driver.get_log("browser"))


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    chromium.get_log("browser")
    yield Browser(chromium)
    chromium.get("about:blank")
