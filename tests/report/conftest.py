"""Run folders made by hand: what training writes, without training.

`Lab` makes plans and run folders as `store` describes them, with error curves that fall to given
final errors.
"""

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reslab import disk, store
from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.trees import flatten, merge
from reslab.report.csv_text import table_csv
from reslab.report.markdown import markdown
from reslab.report.table import tabulate
from reslab.store.plan import Options, Plan, Pointer, Run, Variant

TABLE6 = "he2015/table6"
THIRD = "plain_net_replication/table"
TRAIN, TEST = 50_000, 10_000


class Lab:
    """A folder of one experiment, filled run by run."""

    def __init__(self, name: str = "made_by_hand") -> None:
        self.name = name
        self.folder = store.experiment_folder(name)
        self.variants: list[Variant] = []
        self.base: dict[str, Any] = {"data": "cifar10", "recipe": "he2015_cifar"}
        self.published: str | None = TABLE6
        self.options: dict[str, Any] = {"budget": None}

    def variant(
        self,
        label: str,
        difference: Mapping[str, Any],
        seeds: int = 1,
        published: tuple[str, ...] | None = None,
        note: str | None = None,
    ) -> list[Path]:
        """Plan a variant; its run folders, each with a config and nothing else."""
        budget = self.options["budget"] or 1.0
        tree = merge(merge(self.base, {"budget": budget}), dict(difference))
        folders = []
        for seed in range(seeds):
            config = resolve({**tree, "seed": seed}, label)
            folder = self.folder / f"{store.slug(label)}-s{seed}-{config.run_id}"
            store.make_folder(folder, config, {})
            folders.append(folder)
        self.variants.append(
            Variant(
                label,
                store.slug(label),
                flatten(dict(difference)),
                Pointer(*published) if published else None,
                note,
                params=853_018,
                multiply_adds=125_485_696,
                runs=tuple(Run.named(folder.name) for folder in folders),
            )
        )
        return folders

    def plan(self) -> Plan:
        """The plan of what has been planned so far."""
        options = Options(**self.options)
        return Plan(self.name, "Made by hand", self.published, options, tuple(self.variants))

    def start(self, folder: Path, until: float = 1.0, test: float = 10.0, **env: Any) -> RunConfig:
        """A run that has been started and has reached a part of its steps."""
        from reslab.config.resolve import read_run

        config = read_run(folder / store.CONFIG)
        start = {"code": "c0de", "device": "cpu (x86_64)", "devices": 1, **env}
        store.append_start(folder, start)
        steps = config.scaled_recipe.steps
        rows = []
        for part in itertools.takewhile(lambda part: part <= until, (i / 20 for i in range(1, 21))):
            step, error = round(part * steps), test + (90 - test) * (1 - part) ** 4
            rows.append({"step": step, "train_loss": 1.0, "train_top1_error": error * 0.7})
            rows.append({"step": step, "test_loss": 1.0, "test_top1_error": error})
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        disk.write_text(folder / store.METRICS, lines)
        return config

    def done(self, folder: Path, train: float, test: float, **result: Any) -> None:
        """A run that ended with these errors, in per cent."""
        config = self.start(folder, test=test)
        disk.write_json(
            folder / store.RESULT,
            {
                "status": "done",
                "step": config.scaled_recipe.steps,
                "train": score(train, TRAIN),
                "test": score(test, TEST),
                "normalization_batch": 128,
                "code": "c0de",
                "seconds": 12.3,
                **result,
            },
        )

    def evaluated(self, folder: Path, views: str, test: float, top5: float) -> None:
        """A run that was evaluated on several views of each image: errors in per cent."""
        five = {"wrong5": round(top5 / 100 * TEST), "top5_error": top5}
        disk.write_json(
            folder / store.evaluation(views),
            {"views": views, **score(test, TEST), **five, "assumed": ["the softmax is averaged"]},
        )

    def all_done(self, folders: Sequence[Path], train: float, test: Sequence[float]) -> None:
        """Runs that ended with these test errors, in per cent, and one training error."""
        for folder, error in zip(folders, test, strict=True):
            self.done(folder, train, error)

    def diverged(self, folder: Path, step: int = 1234) -> None:
        """A run whose loss became infinite."""
        self.start(folder, until=0.4)
        disk.write_json(
            folder / store.RESULT,
            {
                "status": "diverged",
                "step": step,
                "lr": 0.1,
                "loss": "nan",
                "normalization_batch": 128,
                "code": "c0de",
                "seconds": 2.0,
            },
        )


def score(error: float, examples: int) -> dict[str, Any]:
    wrong = round(error / 100 * examples)
    return {"examples": examples, "wrong": wrong, "top1_error": 100 * wrong / examples, "loss": 0.5}


@pytest.fixture
def lab() -> Lab:
    return Lab()


def rendered(*labs: Lab) -> str:
    """One table over the plans of some labs, as Markdown."""
    return markdown(tabulate([lab.plan() for lab in labs]))


def row(lab: Lab, label: str) -> dict[str, str]:
    """A row of the Markdown table by its column heads."""
    lines = [line for line in rendered(lab).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = next(line for line in cells if line[0] == label)
    return dict(zip(cells[0], found, strict=True))


def records(*labs: Lab) -> list[dict[str, str]]:
    """The rows of the table as CSV, by their fields."""
    text = table_csv(tabulate([lab.plan() for lab in labs]))
    return list(csv.DictReader(io.StringIO(text)))
