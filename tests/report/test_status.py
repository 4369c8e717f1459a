"""The status has one line per run: its state, its step of all steps, its last error."""

from tests.report.conftest import Lab

from reslab import store
from reslab.report.status import render


def test_each_state_is_told_with_its_progress(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 6)
    lab.done(folders[0], 1.0, 9.5)
    lab.diverged(folders[1])
    for folder in folders[2:5]:
        lab.start(folder, until=0.5)
    store.write_error(folders[3], "no memory")
    with store.lock(folders[2]):
        text = render(lab.plan(), lab.folder)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:10]]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        ("done", "1,280", "1,280"),
        ("diverged", "1,234", "1,280"),
        ("running", "640", "1,280"),
        ("crashed", "640", "1,280"),
        ("interrupted", "640", "1,280"),
        ("pending", "0", "1,280"),
    ]
    assert lines[0][4:] == ["9.50", "12 s"]
    assert "6 runs: 1 done, 1 diverged, 1 running, 1 crashed, 1 interrupted, 1 pending" in text


def test_one_run_is_one_run(lab: Lab) -> None:
    lab.variant("ResNet 20", {"model": "resnet20"})
    assert render(lab.plan(), lab.folder).endswith("\n1 run: 1 pending\n")
