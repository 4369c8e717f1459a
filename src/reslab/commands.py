"""The front door: what `scripts/experiment.py` calls. Plans and launches, then reads."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from reslab import store
from reslab.config.cluster import read_cluster
from reslab.errors import UserError
from reslab.experiments import slurm
from reslab.experiments.cards import Card, card_named
from reslab.experiments.estimate import seconds_more
from reslab.experiments.fetch import fetch, missing, to_fetch
from reslab.experiments.file import question
from reslab.experiments.jobs import Job, jobs_of
from reslab.experiments.launch import Failures, failures, launch
from reslab.experiments.local import Local
from reslab.experiments.packing import pack
from reslab.experiments.plan import expand, read_plan_file
from reslab.experiments.preview import announce, announcement, forms, preview
from reslab.experiments.rehearse import refuse_unfit
from reslab.experiments.single import finetune_experiment, train_experiment
from reslab.experiments.slots import Slot
from reslab.experiments.space import refuse_unready
from reslab.mirror.unsent import say_how_to_send
from reslab.report import status, table
from reslab.report.markdown import fitted, markdown
from reslab.store import names
from reslab.store.plan import Options, Plan
from reslab.store.plans import NO_WORDS
from reslab.store.queue import Queued, queued
from reslab.text import counted, quoted


def call(arguments: Namespace) -> int:
    """What the command line says; its exit code."""
    if arguments.command in ("run", "train", "finetune"):
        return run(arguments)
    own = {word: getattr(arguments, word) for word in ("figure", "port") if word in arguments}
    return read(arguments.command, arguments.names, Options.of(arguments), **own)


# ---- training -----------------------------------------------------------------------------------


def run(arguments: Namespace) -> int:
    """Train what is not final and print the table; 1 if a run failed."""
    if arguments.on is not None:
        return run_on_cluster(arguments)
    if arguments.follow:
        raise UserError("FOLLOW=1 follows jobs on a cluster: say ON=…, too")
    card = _card(arguments)
    plan = plan_of(arguments)
    jobs = jobs_of(plan)
    packing = pack(jobs, plan.options, arguments.slots_per_gpu, card)
    slots = packing.slots
    told = [*forms(jobs, slots[0], plan.options), *packing.told]
    if arguments.dry:
        _show_plan(plan, jobs, slots, told)
        return 0
    _refuse_queued(plan)
    _begin(plan, jobs, slots, told)
    return _told(plan, launch(jobs, Local(slots, plan.options), slots[0]))


def run_on_cluster(arguments: Namespace) -> int:
    """Submit what is neither final nor queued; with FOLLOW=1 see it to its end, as `run` does."""
    _refuse_local_words(arguments)
    cluster = read_cluster(arguments.on, Options.of(arguments))
    plan = plan_of(arguments)
    jobs = jobs_of(plan)
    there = queued(plan.folders())
    slots = slurm.slots_of(cluster, plan.options, sum(job.pending for job in jobs))
    if arguments.dry:
        _show_plan(plan, jobs, slots)
        print(*slurm.scripts(plan, jobs, cluster, there), sep="\n")
        return 0
    _begin(plan, jobs, slots)
    ids = slurm.submit(plan, jobs, cluster, arguments.on, there)
    _say_submitted(plan, ids, slurm.that_can_begin(there))
    if not arguments.follow:
        return 0
    return _told(plan, launch(jobs, slurm.Followed(plan.name), slots[0]))


def _show_plan(plan: Plan, jobs: list[Job], slots: list[Slot], told: Sequence[str] = ()) -> None:
    """What would run, and what it would take; nothing is written."""
    lacking, only = missing(jobs), plan.options.only
    lines = announcement(jobs, slots, only, [*to_fetch(lacking), *told])
    print(preview(jobs, slots[0]), lines, sep="\n", flush=True)
    refuse_unfit(jobs, only, {job.folder for whose in lacking.values() for job in whose})


def _begin(plan: Plan, jobs: list[Job], slots: list[Slot], told: Sequence[str] = ()) -> None:
    """What runs need is there, or nothing is written; then their folders are, and what is about to
    happen is told."""
    refuse_unready(jobs, len(slots))
    fetch(jobs, plan.options.only)
    refuse_unfit(jobs, plan.options.only)
    store.write_plan(plan)
    announce(jobs, slots, plan.options.only, told)
    _say_unmeasured(plan, jobs)


def _told(plan: Plan, failed: Failures) -> int:
    """The table of runs that have ended, and why some failed."""
    print()
    _show_table(plan)
    if failed:
        print(f"\n{failures(failed)}\nthe same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def _refuse_local_words(arguments: Namespace) -> None:
    words = {"CARD": arguments.card is not None, "SLOTS_PER_GPU": arguments.slots_per_gpu != 1}
    if said := [word for word, is_said in words.items() if is_said]:
        raise UserError(
            f"{said[0]} is of this machine's GPUs; what a run is given on a cluster, and which "
            f"card it has, stands in configs/clusters/{arguments.on}.yaml"
        )


def _say_submitted(plan: Plan, ids: Sequence[str], there: Mapping[Path, Queued]) -> None:
    if there:
        print(f"{counted(len(there), 'run')} queued or running already")
    if ids:
        arrays = dict.fromkeys(id.partition("_")[0] for id in ids)
        print(f"submitted {counted(len(ids), 'run')}: job {', '.join(arrays)}")
    if ids or there:
        print(f"make status NAME={plan.name} shows them, make stop NAME={plan.name} cancels them")


def _refuse_queued(plan: Plan) -> None:
    if there := queued(plan.folders()):
        raise UserError(
            f"{counted(len(there), 'run')} of {plan.name} queued or running on a cluster; "
            f"make stop NAME={plan.name} cancels them"
        )


def _card(arguments: Namespace) -> Card | None:
    """The card that is planned for, if it is another machine's."""
    if arguments.card is None:
        return None
    if not arguments.dry:
        raise UserError(
            f"CARD={quoted(arguments.card)} plans for a machine that is not this one, and trains "
            "nothing: say DRY=1, too"
        )
    return card_named(arguments.card)


def plan_of(arguments: Namespace) -> Plan:
    """The plan of `run NAME`, `train --model … --data …` or `finetune --folder … --model …`."""
    options = Options.of(arguments)
    if arguments.command == "run":
        _refuse_a_plans_name(arguments.name)
        return read_plan_file(arguments.name, store.agreed(arguments.name, options))
    if arguments.command == "train":
        name, experiment = train_experiment(arguments.model, arguments.data, arguments.recipe)
    else:
        name, experiment = finetune_experiment(
            arguments.folder, arguments.model, arguments.weights, arguments.trains, arguments.recipe
        )
    return expand(name, experiment, store.agreed(name, options), "the command line")


def _say_unmeasured(plan: Plan, jobs: Sequence[Job]) -> None:
    """Which runs have ended before anybody asked for their diagnostics."""
    final = [job.folder for job in jobs if not job.pending]
    count = sum(not (folder / store.DIAGNOSTICS).exists() for folder in final)
    if plan.options.diagnostics and count:
        print(
            f"DIAGNOSTICS=1: {counted(count, 'run')} of {len(jobs)} ended without; a run measures "
            "while it trains, so move its folder away, and it is trained anew, to the same numbers"
        )


def _refuse_a_plans_name(name: str) -> None:
    experiment, words = names.parted(name)
    if words:
        plan = store.find_plan(name)
        told = (
            names.command(experiment, plan.options) if plan else names.command_of(experiment, words)
        )
        raise UserError(f"NAME={name} is the name of a plan; to run it: {told}")


# ---- reading ------------------------------------------------------------------------------------


def read(
    command: str, asked: Sequence[str], options: Options = NO_WORDS, **own: str | int | None
) -> int:
    """What one of `READERS` makes of plans that were run; of all, where none is named.

    `own` is what that command alone is told.
    """
    if not asked:
        names.refuse_words(options)
        OF_ALL[command]()
        return 0
    plans = {name: store.read_plan(name, options) for name in asked}
    if command == "serve":  # which lasts until Ctrl-C
        _say_which(plans, options)
    READERS[command](*{plan.name: plan for plan in plans.values()}.values(), **own)
    if command != "serve":
        _say_which(plans, options)
    return 0


def _show_status(plan: Plan) -> None:
    print(status.render(plan))


def _show_all() -> None:
    print(status.overview(list(store.every_plan())), end="")


def _show_table(plan: Plan) -> None:
    table.show(plan, partial(seconds_more, plan))
    say_how_to_send(plan.folder)


def _draw_figures(plan: Plan, figure: str | None = None) -> None:
    """Those in `figure`, else all that it has something to say for; those with images first: they
    complete what others are drawn from."""
    from reslab.report.figures.draw import MISTAKES, draw, named  # matplotlib: a second

    asked, paths = named(figure), list[Path]()
    if MISTAKES in asked:
        from reslab.inference.mistakes import draw_mistakes  # torch: seconds

        paths = draw_mistakes(plan)
    others = [name for name in asked if name != MISTAKES]
    print(*paths, *(draw(plan, others) if others or not asked else ()), sep="\n")


def _write_paper(plan: Plan) -> None:
    from reslab.report.paper import how_to_set, write

    paths = write(plan)
    print(*paths, how_to_set(paths[-1]), sep="\n")


def _measure_light(plan: Plan) -> None:
    """Error, size and time of a plan's nets side by side, in float32 and in int8."""
    from reslab.inference.side_by_side import side_by_side  # torch and lightning: seconds

    stem = plan.home / "light"
    print(side_by_side(plan).as_text(f"{stem}.md"), f"{stem}.md, {stem}.json", sep="\n\n")


def _keep_results(plan: Plan) -> None:
    """What came of a plan is kept with the code, and the page of all results written."""
    from reslab.report import archive  # matplotlib: a second

    folder = archive.archive(plan)
    remarks = folder / archive.REMARKS
    done = "read again" if remarks.is_file() else "written"
    print(f"{folder}\nto be {done} by hand: {remarks}")
    _write_results()


def _write_results() -> None:
    from reslab.report import archived

    print(archived.write())


def _compare(*plans: Plan) -> None:
    """One table over several plans, which is kept beside their experiments."""
    both = table.tabulate(plans)
    home = store.runs_root() / "compare"
    print(f"{fitted(both, f'{home}.md')}\n{table.keep(both, home)}")


def _write_page(*plans: Plan) -> None:
    from reslab.page.write import write  # jinja2

    print(write(plans))


def _serve(*plans: Plan, port: int) -> None:
    """The page on 127.0.0.1 while runs go on."""
    from reslab.page.serve import serve  # jinja2

    serve(plans, port)


def _stop(plan: Plan) -> None:
    """Cancel what a plan has queued or running on a cluster; what runs saves first."""
    there = queued(plan.folders())
    slurm.cancel(there)
    if there:
        print(f"cancelled {counted(len(there), 'run')} of {plan.name}; runs save first")
    else:
        print(f"{plan.name} has no run on a cluster; Ctrl-C stops one on this machine")


READERS: dict[str, Callable[..., None]] = {
    "status": _show_status,
    "table": _show_table,
    "figure": _draw_figures,
    "paper": _write_paper,
    "light": _measure_light,
    "results": _keep_results,
    "stop": _stop,
    "compare": _compare,
    "page": _write_page,
    "serve": _serve,
}
"""What is done with a plan that was run; the last three take several."""

OF_ALL: dict[str, Callable[[], None]] = {"status": _show_all, "results": _write_results}
"""What these do without a plan."""


def _say_which(found: Mapping[str, Plan], options: Options) -> None:
    """Of experiments whose name alone was said: which plan it is where there is none without words,
    and which others there are."""
    shown = {plan.name for plan in found.values()}
    for name, plan in found.items():
        if names.given(options) or names.parted(name)[1]:
            continue
        if plan.words:
            print(f"{name} has no plan without words; this is the newest: {plan.name}")
        if others := [each for each in store.plans_of(name) if each.name not in shown]:
            print(f"other plans: {status.others(others)}")


def dashboard(name: str, options: Options = NO_WORDS) -> int:
    """Save a plan's dashboard in W&B, of an experiment that was not run yet that of its file."""
    from reslab.mirror.dashboard import publish

    experiment, words = names.parted(name)
    plan = store.find_plan(name, options)
    plan = plan or (store.read_plan(name) if words else read_plan_file(name, options))
    asked = question(experiment) or plan.title
    print("\n".join(publish(plan, asked, markdown(table.tabulate([plan])))))
    _say_which({name: plan}, options)
    return 0
