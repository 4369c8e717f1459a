"""The front door: what `scripts/experiment.py` calls. Plans and launches, then reads."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from functools import partial

from reslab import store
from reslab.experiments.estimate import seconds_more
from reslab.experiments.fetch import fetch
from reslab.experiments.file import question
from reslab.experiments.jobs import jobs_of
from reslab.experiments.launch import failures, launch
from reslab.experiments.plan import expand, read_plan_file
from reslab.experiments.preview import announce, announcement, preview
from reslab.experiments.rehearse import refuse_unfit
from reslab.experiments.single import finetune_experiment, train_experiment
from reslab.experiments.slots import make_slots
from reslab.experiments.space import refuse_unready
from reslab.mirror.unsent import say_how_to_send
from reslab.report import status, table
from reslab.report.markdown import markdown
from reslab.store.plan import Options, Plan


def run(arguments: Namespace) -> int:
    """Train what is not final and print the table; 1 if a run failed."""
    plan = plan_of(arguments)
    jobs = jobs_of(plan)
    slots = make_slots(sum(job.pending for job in jobs), plan.options, arguments.slots_per_gpu)
    if arguments.dry:
        print(preview(jobs, slots[0]), announcement(jobs, slots), sep="\n", flush=True)
        refuse_unfit(jobs, plan.options.only)
        return 0
    refuse_unready(jobs, len(slots))
    fetch(jobs, plan.options.only)
    refuse_unfit(jobs, plan.options.only)
    store.write_plan(plan)
    announce(jobs, slots)
    failed = launch(jobs, slots, plan.options)
    print()
    table.show(plan, partial(seconds_more, plan))
    say_how_to_send(plan.folder)
    if failed:
        print(f"\n{failures(failed)}\nthe same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def plan_of(arguments: Namespace) -> Plan:
    """The plan of `run NAME`, `train --model … --data …` or `finetune --folder … --model …`."""
    said = {option.name: getattr(arguments, option.name) for option in fields(Options)}
    options = Options(**said | {"set": tuple(arguments.set)})
    if arguments.command == "run":
        return read_plan_file(arguments.name, options)
    if arguments.command == "train":
        name, experiment = train_experiment(arguments.model, arguments.data, arguments.recipe)
    else:
        name, experiment = finetune_experiment(
            arguments.folder, arguments.model, arguments.weights, arguments.trains, arguments.recipe
        )
    return expand(name, experiment, options, "the command line")


def read(command: str, name: str) -> int:
    """Print the status or the table of an experiment's last plan, draw its figure, or write its
    paper."""
    plan = store.read_plan(name)
    if command == "table":
        table.show(plan, partial(seconds_more, plan))
    elif command == "status":
        print(status.render(plan))
    elif command == "figure":
        from reslab.report.figure import draw  # matplotlib: a second

        print(*draw(plan), sep="\n")
    else:
        from reslab.report.paper import how_to_set, write

        paths = write(plan)
        print(*paths, how_to_set(paths[-1]), sep="\n")
    return 0


def compare(names: Sequence[str]) -> int:
    """Print one table over the last plans of several experiments, and keep it beside them."""
    both = table.tabulate([store.read_plan(name) for name in dict.fromkeys(names)])
    print(f"{markdown(both)}\n{table.keep(both, store.runs_root() / 'compare')}")
    return 0


def dashboard(name: str) -> int:
    """Save an experiment's dashboard in W&B: of its last plan, or of its file before the first."""
    from reslab.mirror.dashboard import publish

    plan = store.last_plan(name) or read_plan_file(name, Options())
    print("\n".join(publish(plan, question(name) or plan.title, markdown(table.tabulate([plan])))))
    return 0
