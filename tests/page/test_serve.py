"""A page on 127.0.0.1: what is answered, and what is not."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.page.conftest import Browser, filled
from tests.report.conftest import Lab

from reslab import store
from reslab.errors import UserError
from reslab.page.serve import Server, server
from reslab.page.write import write


class Served:
    """A server of a lab's plan, and what it answers."""

    def __init__(self, running: Server) -> None:
        self.port = running.server_port

    def get(
        self, path: str, host: str | None = None, method: str = "GET"
    ) -> tuple[int, str, bytes]:
        """Status, type (or where it leads) and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"127.0.0.1:{self.port}" if host is None else host)
        connection.endheaders()
        answer = connection.getresponse()
        kind = answer.headers.get("Location") or answer.headers.get("Content-Type", "")
        content = answer.read()
        connection.close()
        return answer.status, kind, content


@pytest.fixture
def served(lab: Lab) -> Iterator[Served]:
    with server([filled(lab).plan()], 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Served(running)
        running.shutdown()
        thread.join()


def test_the_page_is_live_and_its_links_lead_to_what_is_there(lab: Lab, served: Served) -> None:
    assert served.get("/")[:2] == (302, "/page.html")
    status, kind, content = served.get("/page.html")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"connect-src 'self'" in content and b'id="progress"' in content
    run = lab.plan().folders()[0]
    assert served.get(f"/{run.name}/config.yaml")[2] == (run / "config.yaml").read_bytes()
    assert b"metrics.jsonl" in served.get(f"/{run.name}/")[2]
    assert served.get(f"/{run.name}/log.txt")[0] == 404, "there is none yet"
    (run / store.LOG).write_text("epoch 1")
    assert served.get(f"/{run.name}/log.txt") == (200, "text/plain; charset=utf-8", b"epoch 1")
    assert served.get("/page.html", method="HEAD")[2] == b""


def test_the_page_that_is_written_is_another(lab: Lab) -> None:
    html = write([filled(lab).plan()]).read_text(encoding="utf-8")
    assert "connect-src 'none'" in html and 'id="progress"' not in html


def test_progress_is_told(served: Served) -> None:
    found = json.loads(served.get("/progress.json")[2])
    assert found["summary"] == "7 of 8 runs done, nothing runs"
    assert len(found["runs"]) == 8


def test_nothing_else_can_be_read(lab: Lab, served: Served, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    run = lab.plan().folders()[0]
    (run / "last.ckpt").write_bytes(b"secret")
    (lab.folder / "other").mkdir()
    (lab.folder / "other" / "log.txt").write_text("secret")
    for path in (
        "/../../secret", "/%2e%2e/%2e%2e/secret", f"/{run.name}/../../../secret", "//secret",
        f"/{run.name}/..%2f..%2f..%2fsecret", f"{tmp_path}/secret", f"/{run.name}/last.ckpt",
        "/other/log.txt", "/plan.json", "/page.html/", "/page.html%00", "/progress.json/..",
        f"/{run.name}", "secret", "*", "http://127.0.0.1/secret",
    ):  # fmt: skip
        status, _, content = served.get(path)
        assert status == 404 and b"secret" not in content.replace(b"/secret", b""), path


@pytest.mark.parametrize("host", ["evil.example", "", "127.0.0.1", "127.0.0.1:1", "localhost.evil"])
def test_a_request_for_another_host_is_refused(served: Served, host: str) -> None:
    for path in ("/", "/page.html", "/progress.json"):
        assert served.get(path, host)[0] == 403
    assert served.get("/progress.json", f"localhost:{served.port}")[0] == 200


def test_it_listens_to_this_machine_alone(lab: Lab) -> None:
    with server([filled(lab).plan()], 0) as running:
        assert running.server_address[0] == "127.0.0.1"


def test_only_reading_is_answered(served: Served) -> None:
    assert {served.get("/page.html", method=method)[0] for method in ("POST", "PUT")} == {501}


def test_a_port_that_is_taken_is_named(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"PORT={port}: .*; say another"):
            server([filled(lab).plan()], port)


def test_of_plans_in_different_folders_all_are_reached(lab: Lab) -> None:
    other = Lab("other")
    other.options["budget"] = 0.02
    plans = [filled(lab).plan(), filled(other).plan()]
    with server(plans, 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served = Served(running)
        assert served.get("/")[1] == "/compare.html"
        for plan in plans:
            run = plan.folders()[0]
            assert served.get(f"/{plan.experiment}/{run.name}/config.yaml")[0] == 200
        running.shutdown()
        thread.join()


@pytest.mark.process
def test_what_changes_is_renewed_and_what_a_reader_has_chosen_stays(
    lab: Lab, served: Served, browser: Browser
) -> None:
    """A run ends while somebody reads: the table has its error, sorted and filtered as before."""
    browser.open(f"http://127.0.0.1:{served.port}/")

    def wait_for(selector: str, text: str) -> None:
        deadline = time.monotonic() + 90
        while text not in browser.one(selector).get_attribute("textContent"):
            assert time.monotonic() < deadline, browser.one(selector).text
            time.sleep(0.2)

    wait_for("#progress-summary", "7 of 8 runs done, nothing runs")
    browser.click("#results-table th[data-key=variant] button")
    browser.click("#columns input[value=params]")
    browser.set("#filter", "deeper")
    browser.click("#lines")
    browser.run("document.querySelector('#results-table th[data-key=variant] button').focus()")
    last = lab.plan().folders()[-1]
    with store.lock(last):
        lab.start(last, until=0.5)
        wait_for("#progress-summary", "1 running")
    lab.done(last, 0.5, 6.61)
    wait_for("#progress-summary", "8 of 8 runs done")
    wait_for("#results-table", "6.61")
    assert browser.texts("#results-table tbody .row-label") == ["deeper"]
    assert "params" not in " ".join(browser.texts("#results-table thead th"))
    assert browser.one("[aria-sort]").get_attribute("data-key") == "variant"
    assert browser.run("return document.activeElement.closest('th')?.dataset.key") == "variant"
    assert browser.one("#lines").is_selected()
    assert len(browser.all("#curves-plot path[stroke-width='0.8']")) == 1
    assert "1 variant" not in browser.one("#summary").text
    assert browser.errors() == []


@pytest.mark.process
def test_ctrl_c_ends_it_cleanly(lab: Lab, repository: Path) -> None:
    store.write_plan(filled(lab).plan())
    command = [sys.executable, repository / "scripts" / "experiment.py", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, lab.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:") and line.endswith("until Ctrl-C\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "\nended; the runs go on\n", "")
