"""The plans of an experiment, as files: written, found by their names, read.

All share the experiment's run folders, and each has its own `plan.json`, table and figures: the
plan without words in runs/<experiment>, every other in runs/<experiment>/plans/<words>.
"""

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from reslab.config.run import RunConfig
from reslab.disk import locked, read_json, remove_unfinished, write_json, written
from reslab.errors import UserError, listed, nearest
from reslab.store import names
from reslab.store.folder import experiment_folder, make_folder, runs_root
from reslab.store.found import found_plan
from reslab.store.plan import PLAN, PLANS, SHAPE, Options, Plan, Variant

OF_A_PLAN = (
    "table.md", "table.csv", "runs.csv", "figure.png", "figure.svg", "dashboard.json", PLAN,
)  # fmt: skip
"""Files that lie in a plan's home; its own last."""

NO_WORDS = Options()

AT_ONCE = 32
"""Run folders that are written at the same time; each has two or three files open."""


# ---- written ------------------------------------------------------------------------------------


def write_plan(plan: Plan) -> None:
    """Make every run's folder and config, then write the plan into its home.

    What kills have left of attempts to write goes. `UserError` for a PLAN that has other words.
    """
    _make_folders(plan)
    home = replace(plan, at=None).home
    home.mkdir(parents=True, exist_ok=True)
    with locked(plan.folder):
        agreed(plan.experiment, plan.options)
        _make_room(plan.folder, plan.experiment)
        for folder in {plan.folder, home}:
            remove_unfinished(folder)
        write_json(home / PLAN, _told(plan))


def _make_folders(plan: Plan) -> None:
    """Many at once: most of the time a disk is waited for, which writes what it gets together."""
    runs = list(plan.runs())
    with ThreadPoolExecutor(threads_for(len(runs))) as pool:
        made = (
            pool.submit(make_folder, folder, config, _tracking(plan, variant, config))
            for variant, folder, config in runs
        )
        try:
            for each in list(made):
                each.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def threads_for(runs: int) -> int:
    """How many write so many folders: each takes 72 MB of address space, which may be limited
    (`ulimit -v`), and a small plan gains nothing by it."""
    return max(1, min(AT_ONCE, runs // 8))


NEWER = frozenset((
    "origins", "edges", "teachers", "margin", "baseline", "questions", "target", "times",
    "epochs", "plan", "compile", "diagnostics",
))  # fmt: skip
"""Fields of a plan and of its options that versions of before do not know: written where they say
anything."""


def _told(plan: Plan) -> dict[str, Any]:
    told, said = (SHAPE.dump_python(plan, mode="json", exclude_defaults=d) for d in (False, True))
    options = _known_before(told["options"], said["options"])
    return _known_before({**told, "options": options}, said)


def _known_before(told: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key in said or key not in NEWER}


def _tracking(plan: Plan, variant: Variant, config: RunConfig) -> dict[str, Any]:
    """How W&B files a run."""
    table = variant.published.table if variant.published else plan.published
    tags = [*([table.partition("/")[0], table] if table else []), config.data.name]
    return {
        "group": plan.experiment,
        "job_type": variant.slug,
        "name": f"{variant.slug}-s{config.seed}",
        "tags": tags,
    }


def agreed(experiment: str, options: Options) -> Options:
    """The options, of a PLAN that is there with its words where none are said; `UserError` where
    others are."""
    before = None if options.plan is None else _at(experiment, options.plan)
    if before is not None and not names.has_words(options):
        return replace(options, **{word: getattr(before.options, word) for word in names.WORDS})
    if before is None or names.canonical(before.options) == names.canonical(options):
        return options
    stands, said = (
        names.as_given(names.given(replace(each, plan=None))) or "the plan without words"
        for each in (before.options, options)
    )
    raise UserError(
        f"PLAN={options.plan} of {experiment} is {stands}; got {said}: say PLAN={options.plan} "
        "alone, or another PLAN"
    )


def _make_room(folder: Path, experiment: str) -> None:
    """Before plans had names, the last one stood in runs/<experiment>: one that has words goes to
    its own home, with what was made of it."""
    with contextlib.suppress(UserError):  # a damaged one makes room as it is
        last = _read(folder, folder, experiment)
        if last is None or not last.words or (folder / PLANS / last.words / PLAN).exists():
            return
        own = folder / PLANS / last.words
        own.mkdir(parents=True, exist_ok=True)
        for name in OF_A_PLAN:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).replace(own / name)


# ---- read ---------------------------------------------------------------------------------------


def read_plan(name: str, options: Options = NO_WORDS) -> Plan:
    """The plan of a whole name, or of an experiment's with the words in `options`; without words
    that without any, or the newest where there is none.

    `UserError` where there is no such plan, with those that there are.
    """
    if plan := find_plan(name, options):
        return plan
    experiment, words = names.parted(name)
    there = [plan.name for plan in plans_of(experiment)]
    if not there:
        near = nearest(experiment, _experiments())
        raise UserError(
            f"{experiment!r} has not been run in {runs_root()}{near}\n"
            f"       to run it: {_command(experiment, words, options)}"
        )
    asked = name if words else names.joined(experiment, names.words_of(experiment, options))
    raise UserError(
        f"there is no plan {asked!r} in {runs_root()}; there are {listed(there, 12)}\n"
        f"       to run it: {_command(experiment, words, options)}"
    )


def _command(experiment: str, words: str, options: Options) -> str:
    return names.command_of(experiment, words) if words else names.command(experiment, options)


def find_plan(name: str, options: Options = NO_WORDS) -> Plan | None:
    """The same, None where there is no such plan; `UserError` if it is damaged."""
    experiment, words = names.parted(name)
    if words and (options.plan is not None or names.has_words(options)):
        said = names.as_given(names.given(options))
        raise UserError(f"NAME={name} has its words already; got {said}, too: leave one out")
    words = words or names.words_of(experiment, agreed(experiment, options))
    found = _at(experiment, words)
    if found is not None or words:
        return found
    return next(reversed(plans_of(experiment)), None) or found_plan(experiment)


def read_plan_in(folder: Path) -> Plan:
    """The plan without words in an experiment's folder, wherever it lies, else the newest there;
    `UserError` if there is none."""
    experiment = folder.resolve().name
    last = _read(folder, folder, experiment)
    if last is None or last.words:
        last = next(reversed(_plans_in(folder, experiment)), last)
    if last is not None:
        return replace(last, place=folder)
    raise UserError(
        f"{folder} has no {PLAN}: expected the folder of an experiment, as runs/NAME is"
    )


def plans_of(experiment: str) -> list[Plan]:
    """All plans of an experiment, the newest last; of a damaged one that is told."""
    return _plans_in(experiment_folder(experiment), experiment)


def every_plan() -> Iterator[Plan]:
    """All plans of all experiments, and of runs that nobody planned."""
    for experiment in _experiments():
        try:
            yield from plans_of(experiment) or filter(None, [found_plan(experiment)])
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)


def _experiments() -> list[str]:
    """The names of the folders below runs/ that can be an experiment's."""
    found = []
    for folder in sorted(runs_root().glob("*")):
        with contextlib.suppress(UserError):
            if experiment_folder(folder.name).is_dir():
                found.append(folder.name)
    return found


def _at(experiment: str, words: str) -> Plan | None:
    """The plan with these words, be it where the last one stood before plans had names."""
    folder = experiment_folder(experiment)
    plan = _read(folder / PLANS / words, folder, experiment) if words else None
    if plan is None:
        last = _read(folder, folder, experiment)
        plan = last if last and last.words == words else None
    return plan


def _plans_in(folder: Path, experiment: str) -> list[Plan]:
    found = dict[str, Plan]()
    files = [*folder.glob(PLAN), *folder.glob(f"{PLANS}/*/{PLAN}")]
    for file in sorted(files, key=written):  # gone: another launcher has just moved it
        try:
            if plan := _read(file.parent, folder, experiment):
                found[plan.name] = plan
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)
    return list(found.values())


def _read(home: Path, folder: Path, experiment: str) -> Plan | None:
    """The plan in a folder, which may have been renamed, and so may the experiment's."""
    remedy = f"to write it anew: make experiment NAME={experiment}"
    found = read_json(home / PLAN, SHAPE, remedy)
    if found is None:
        return None
    plan: Plan = replace(SHAPE.validate_python(found), experiment=experiment, at=home)
    if home != folder and names.OWN.fullmatch(home.name):
        plan = replace(plan, options=replace(plan.options, plan=home.name))
    return plan
