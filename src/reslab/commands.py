"""The front door: what `scripts/experiment.py` calls. Plans and launches, then reads."""

import sys
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab import disk, store
from reslab.config import facts_of
from reslab.config.photographs import class_names, refuse_missing
from reslab.errors import listed, located
from reslab.execution import Execution
from reslab.experiments.estimate import correction
from reslab.experiments.jobs import Job, announce, jobs_of
from reslab.experiments.launch import failures, launch
from reslab.experiments.plan import (
    Experiment,
    Options,
    Plan,
    Variant,
    as_written,
    expand,
    question,
    read_plan_file,
    write,
)
from reslab.experiments.slots import Slot, make_slots
from reslab.experiments.space import refuse_full
from reslab.folders import as_path
from reslab.mirror import unsent
from reslab.report.models import Form, show
from reslab.text import counted, duration, markdown_table, printable

if TYPE_CHECKING:
    from reslab.report.table import Table


def run(arguments: Namespace) -> int:
    """Train what is not final and print the table; 1 if a run failed."""
    plan = plan_of(arguments)
    written = as_written(plan)
    jobs = jobs_of(plan, written)
    execution = plan.options.execution
    pending = sum(job.pending for job in jobs)
    slots = make_slots(pending, execution, arguments.slots_per_gpu)
    if arguments.dry:
        print(preview(plan, jobs, slots[0]))
        print(*classes_in_folders(plan), announce(jobs, slots), sep="\n")
        return 0
    refuse_missing_photographs(plan)
    refuse_full(jobs, len(slots))
    write(plan, written)
    for folder in {plan.folder, *(job.folder for job in jobs)}:
        disk.remove_unfinished(folder)
    print(*classes_in_folders(plan), announce(jobs, slots), sep="\n", flush=True)
    warn_of_other_code(jobs)
    failed = launch(jobs, slots, execution)
    print()
    print_table(written, plan.folder)
    say_how_to_sync(plan.folder)
    if failed:
        print(f"\n{failures(failed)}\nthe same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def refuse_missing_photographs(plan: Plan) -> None:
    """Refuse, before anything is written, photographs that are missing: none are downloaded."""
    for variant in plan.variants:
        data = variant.configs[0].data
        if facts_of(data).photographs:
            with located(variant.label):
                refuse_missing(data)


CLASSES = 8
"""Names of classes that a plan lists."""


def classes_in_folders(plan: Plan) -> Iterator[str]:
    """A line for each folder of one's own: its classes, which show where it is another folder than
    was meant."""
    data = [config.data for variant in plan.variants for config in variant.configs]
    for folder, own in {part.folder: part for part in data if part.folder}.items():
        if Path(folder).is_dir():
            names = class_names(own)
            count = counted(len(names), "class", "classes")
            yield f"{count} in {printable(folder)}: {listed(names, CLASSES)}"


def plan_of(arguments: Namespace) -> Plan:
    """The plan of `run NAME` or of `train --model … --data … --recipe …`."""
    execution = Execution(arguments.devices, arguments.micro_batch, arguments.sync_batchnorm)
    options = Options(
        arguments.budget, arguments.seeds, arguments.only, tuple(arguments.set), execution
    )
    if arguments.command == "run":
        return read_plan_file(arguments.name, options)
    model, data, recipe = arguments.model, arguments.data, arguments.recipe
    folder = as_path(data)
    called = printable(folder.name) if folder else data
    name = f"train-{store.slug(f'{model} {called} {recipe}')}"
    base = {"data": data, "recipe": recipe}
    experiment = Experiment(
        title=f"{model} on {called}", base=base, variants={model: {"model": model}}
    )
    return expand(name, experiment, options, "the command line")


def read(command: str, name: str) -> int:
    """Print the status or the table of an experiment's last plan, or draw its figure."""
    plan, folder = store.read_plan(name), store.experiment_folder(name)
    if command == "table":
        print_table(plan, folder)
    elif command == "status":
        from reslab.report.status import render

        print(render(plan, folder))
    else:
        from reslab.report.figure import draw  # matplotlib: a second

        for path in draw(plan, folder):
            print(path)
    return 0


def compare(names: Sequence[str]) -> int:
    """Print one table over the last plans of several experiments, and keep it beside them."""
    from reslab.report.table import render_together

    plans = [store.read_plan(name) for name in dict.fromkeys(names)]
    table = render_together([(plan, store.experiment_folder(plan["experiment"])) for plan in plans])
    print(f"{table.markdown}\n{_keep(table, store.runs_root() / 'compare')}")
    return 0


def dashboard(name: str) -> int:
    """Save an experiment's dashboard in W&B: of its last plan, or of its file before the first."""
    from reslab.mirror.dashboard import publish
    from reslab.report.table import render

    folder = store.experiment_folder(name)
    plan = disk.read_json(folder / store.PLAN) or as_written(read_plan_file(name, Options()))
    asked, table = question(name) or plan["title"], render(plan, folder).markdown
    print("\n".join(publish(plan, folder, asked, table)))
    return 0


def models(pattern: str, form: Form) -> int:
    """What scripts/models.py prints."""
    return show(pattern, form)


def preview(plan: Plan, jobs: list[Job], slot: Slot) -> str:
    """The plan as a table: what would run, and what it would take."""
    head = ["variant", "difference", "params", "multiply-adds", "steps", "epochs", "runs", "each ~"]
    of_variant = defaultdict[str, list[Job]](list)
    for (variant, _, _), job in zip(plan.runs(), jobs, strict=True):
        of_variant[variant.label].append(job)
    factor = correction(slot.device)
    rows = [
        _preview_row(variant, mine := of_variant[variant.label], mine[0].seconds(slot) * factor)
        for variant in plan.variants
    ]
    return markdown_table(head, rows, numeric=range(2, 6))


def _preview_row(variant: Variant, jobs: list[Job], each: float) -> list[str]:
    first, states = jobs[0], Counter(store.state(job.folder) for job in jobs)
    data, recipe = first.config.data, first.config.scaled_recipe
    epochs = recipe.steps * recipe.batch_size / (facts_of(data).train - data.holdout)
    return [
        variant.label,
        ", ".join(f"{key}: {value}" for key, value in variant.difference.items()),
        f"{first.params:,}",
        f"{first.multiply_adds:,}",
        f"{recipe.steps:,}",
        f"{epochs:.1f}",
        ", ".join(f"{count} {state}" for state, count in states.items()),
        duration(each),
    ]


def print_table(plan: dict[str, Any], folder: Path) -> None:
    """Print the table, and leave it in table.md and table.csv."""
    from reslab.report.table import render

    table = render(plan, folder)
    print(table.markdown)
    _keep(table, folder / "table")


def _keep(table: "Table", stem: Path) -> str:
    """Write the table to STEM.md and STEM.csv; their names."""
    disk.write_text(stem.with_suffix(".md"), table.markdown)
    disk.write_text(stem.with_suffix(".csv"), table.csv)
    return f"{stem}.md, {stem}.csv"


def warn_of_other_code(jobs: list[Job]) -> None:
    """Say which final runs another version of the code made."""
    made = [store.read_result(job.folder) for job in jobs if not job.pending]
    others = sum(r is not None and r.get("code") != store.code_version() for r in made)
    if others:
        print(
            f"warning: {others} of the final runs were made by another version of the code; "
            "to make one anew, move its folder away",
            file=sys.stderr,
        )


def say_how_to_sync(folder: Path) -> None:
    """Print the commands that send what W&B has not got, if there is anything."""
    logs = [log for run in folder.glob("*") for log in unsent.unsent_logs(run)]
    if logs:
        print(
            f"W&B has not got {counted(len(logs), 'log')}; to send what is missing: "
            f"make sync NAME={folder.name}\n"
            f"or, where no run was killed: wandb sync --include-online {folder}/*/wandb/*run-*"
        )
