"""Parts of `make gpu-check` that others have written: the tests marked `gpu`, and the benchmark."""

import json
import re
import time
from importlib.util import find_spec
from statistics import median

from tests.gpu_check.check import ROOT, Check, Found, tail

from reslab.machine import available_cores

OUTCOME = re.compile(r"\b(PASSED|FAILED|ERROR|SKIPPED)\b")
TEST = re.compile(r"tests/\S+::\S+")


def tests(check: Check, until: float) -> Found:
    """The tests that are marked `gpu`, wherever they are."""
    files = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        if re.search(r"\bmark\.gpu\b|\bON_A_GPU\b|\bON_BOTH\b", file.read_text(encoding="utf-8"))
    ]
    at_once = ["--numprocesses=4"] if find_spec("xdist") and available_cores() >= 8 else []
    command = ["-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider", *at_once]
    log = check.scratch / "tests.log"
    state = check.run([*command, "-m", check.form.marked, *files], until, log)
    outcomes = outcomes_in(log.read_text(encoding="utf-8", errors="replace"))
    found: Found = {"state": state, "tests": outcomes}
    if state not in ("done", "stopped"):
        found["printed"] = tail(log)
    return found


def outcomes_in(printed: str) -> dict[str, str]:
    """What pytest -v says of each test that has begun; the first outcome that it says counts."""
    found: dict[str, str] = {}
    for line in printed.splitlines():
        if test := TEST.search(line):
            outcome = OUTCOME.search(line)
            if found.get(test[0], "begun") == "begun":
                found[test[0]] = outcome[0].lower() if outcome else "begun"
    return found


def training(check: Check, until: float) -> Found:
    """benchmarks/training.py, which writes a file of its own, net by net."""
    file = check.out / "training.json"
    file.unlink(missing_ok=True)  # an earlier call's
    nets = "resnet20,resnet56" if check.data == "cifar10" else "tiny"
    seconds = until - time.monotonic()
    words = [f"--net={nets}", "--rounds=2", f"--seconds={max(1.0, seconds / 60):.1f}"]
    precision = f"--precision={check.form.precisions[0]}"
    log = check.scratch / "training.log"
    state = check.run(
        ["-m", "benchmarks.training", *words, precision, f"--within={0.8 * seconds:.0f}",
         f"--json={file}"],
        until, log,
    )  # fmt: skip
    found: Found = {"state": state, "file": None, "rates": {}, "printed": tail(log)}
    if file.exists():
        found |= {"file": file.name, "rates": rates_in(json.loads(file.read_text("utf-8")))}
    return found


def rates_in(benchmark: Found) -> dict[str, Found]:
    """Of each net and row images a second, the median of all rounds, and a GPU's idle share."""
    return {
        f"{net}, {name}": {
            "images_per_second": round(median(row["rates"])),
            **({"idle_share": row["idle_share"]} if row.get("idle_share") is not None else {}),
        }
        for net, case in benchmark["cases"].items()
        for name, row in case["rows"].items()
        if row.get("rates")
    }
