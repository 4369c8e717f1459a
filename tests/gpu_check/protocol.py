"""As much of an experiment at its full protocol as there is time for; a later call goes on, on this
machine or, from archives, on another."""

import contextlib
import json
import shutil
import time
import zipfile
from pathlib import Path

from tests.gpu_check.check import Check, Found, tail
from tests.gpu_check.packing import best, last_step, mps

EXPERIMENT = "plain_vs_residual"


def protocol(check: Check, until: float) -> Found:
    """plain_vs_residual with one seed, packed as was best, from where an earlier call stopped."""
    form = check.form
    if check.data != "cifar10" and check.gpu:
        return {"state": "left out", "why": "CIFAR-10 is not there"}
    unpack(check.runs)
    chosen = best(check.found["parts"].get("packing", {})) or {"runs": 1, "mps": False}
    at_once = min(chosen["runs"], form.variants.count(",") + 1)
    words = [
        EXPERIMENT, f"--only={form.variants}", "--seeds=1", f"--set=precision={form.precisions[0]}",
        *([] if form.budget == 1 else [f"--budget={form.budget}"]),
        *([] if check.data == "cifar10" else [f"--set=data={check.data}"]),
    ]  # fmt: skip
    slots = [f"--slots-per-gpu={at_once}"] if check.gpu else []
    log = check.scratch / "protocol.log"
    found: Found = {"state": "running", "at_once": at_once, "mps": chosen["mps"]}
    check.found["parts"]["protocol"] = found
    with mps(check, chosen["mps"]) as environment:
        state = check.run(
            ["scripts/experiment.py", "run", *words, *slots],
            until - (until - time.monotonic()) / 8, log, Keeping(check, found),
            RESLAB_RUNS=str(check.runs), **environment,
        )  # fmt: skip
    found |= {"state": state, "runs": standing(check.runs)}
    if state not in ("done", "stopped"):
        found["printed"] = tail(log)
    table = check.scratch / "table.log"
    check.run(["scripts/experiment.py", "table", *words], until, table, RESLAB_RUNS=str(check.runs))
    found["table"] = table.read_text(encoding="utf-8", errors="replace")
    for file in check.runs.glob(f"{EXPERIMENT}/**/runs.csv"):
        shutil.copy(file, check.out / file.name)
    pack(check.runs, check.archive)
    return found


class Keeping:
    """Writes down how far runs are, and packs them, every half minute."""

    EVERY = 30.0

    def __init__(self, check: Check, found: Found) -> None:
        self.check, self.found, self.kept = check, found, time.monotonic()

    def __call__(self) -> bool:
        """Never the end of anything."""
        if time.monotonic() - self.kept > self.EVERY:
            self.found["runs"] = standing(self.check.runs)
            self.check.write()
            pack(self.check.runs, self.check.archive)
            self.kept = time.monotonic()
        return False


def standing(runs: Path) -> dict[str, Found]:
    """How far each run of the experiment is, and its errors where it is final."""
    found: dict[str, Found] = {}
    for metrics in sorted(runs.glob(f"{EXPERIMENT}/*/metrics.jsonl")):
        result = metrics.with_name("result.json")
        final = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        told = {word: final[word] for word in ("status", "seconds") if word in final}
        errors = {
            f"{split}_error": final[split]["top1_error"]
            for split in ("train", "test")
            if split in final
        }
        found[metrics.parent.name] = {"step": last_step(metrics), **told, **errors}
    return found


ARCHIVE = 15 << 20
"""Bytes of one archive of runs, at most."""


def pack(runs: Path, archive: Path | None) -> None:
    """The files of runs, for a machine that is given back, in as many runs-N.zip as it takes."""
    if archive is None or not runs.is_dir():
        return
    files = [f for f in sorted(runs.rglob("*")) if f.is_file() and f.suffix not in (".zip", ".txt")]
    parts, room = list[list[Path]](), 0
    for file in files:
        size = file.stat().st_size
        if not parts or size > room:
            parts.append([])
            room = ARCHIVE
        parts[-1].append(file)
        room -= size
    for number, part in enumerate(parts, 1):
        target = archive / f"runs-{number}.zip"
        half = target.with_suffix(".part")
        with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as packed:
            for file in part:
                with contextlib.suppress(FileNotFoundError):  # a run has just renamed it
                    packed.write(file, file.relative_to(runs))
        half.replace(target)


def unpack(runs: Path) -> None:
    """Runs of another machine, where their archives lie in the folder and they do not."""
    for archive in sorted(runs.glob("runs-*.zip")):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if not (runs / name).exists():
                    packed.extract(name, runs)
