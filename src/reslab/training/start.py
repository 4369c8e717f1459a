"""The start of a run, before torch is imported: its folder, its lock, and what became of it.

A run is started with the path of its `config.yaml` and writes beside it. Whoever holds the lock
trains; a final run is left as it is; an error is recorded before it is raised.
"""

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from reslab import disk, store
from reslab.config.costs import cost
from reslab.config.division import refuse_division
from reslab.config.nets import Opaque
from reslab.config.resolve import read_run
from reslab.config.run import RunConfig, input_size
from reslab.errors import UserError
from reslab.execution import TORCHRUN, Execution, gpus_for, place
from reslab.exhaustion import exhausted
from reslab.experiments.estimate import Work
from reslab.experiments.form import Chosen, form_in, forms_in_words
from reslab.experiments.slots import Slot
from reslab.processes import die_with_parent, follow_supervisor
from reslab.training.ranks import CLAIM, SUPERVISED, Parted, parted, supervise

SPARED = 4
"""File handles; a file that is written atomically takes three."""


def start(config_file: Path, execution: Execution | None = None) -> int:
    """Train the run in `config_file` to its end, from its last checkpoint if it has one.

    With more than one device this process starts as many, unless torchrun has done so. Returns an
    exit code: 0 for a final run, 1 for an interrupted one, `store.BUSY`. `UserError` for a batch
    that cannot be divided as `execution` asks, and for more devices than there are.
    """
    execution = execution or Execution()
    config, folder = read_run(config_file), config_file.resolve().parent
    _refuse_another_run(config, folder, config_file)
    here = place()
    ranks = max(here.ranks, execution.devices)
    refuse_division(config, execution, ranks)

    def train(claim: store.Claim) -> int:
        return _run(store.keep_net(folder, config), execution, claim)

    if SUPERVISED in os.environ:
        follow_supervisor()
        shared = store.Claim(folder, os.environ.get(CLAIM) or None)
        return _recorded(shared, lambda: train(shared))
    if TORCHRUN in os.environ:
        die_with_parent()
        gpus_for(here.local_ranks, "--nproc-per-node", cores_shared=True)
    if here.rank > 0:  # of torchrun's: rank 0 holds the lock for all
        others = store.Claim(folder)
        return 0 if _is_final(folder) else _recorded(others, lambda: train(others))
    if here.ranks > 1 or execution.devices == 1:
        return _held(folder, train)
    gpus_for(execution.devices)
    command = [sys.executable, sys.argv[0], str(config_file), *execution.arguments()]
    return _held(folder, lambda claim: supervise(command, execution.devices, claim))


def _held(folder: Path, train: Callable[[store.Claim], int]) -> int:
    """Train with the lock held, unless somebody else does or the run is final."""
    try:
        with store.lock(folder) as claim:
            return _recorded(claim, lambda: _unless_final(claim, train))
    except store.Busy as busy:
        print(busy)
        return store.BUSY


def _unless_final(claim: store.Claim, train: Callable[[store.Claim], int]) -> int:
    folder = claim.folder
    disk.remove_unfinished(folder)
    if _is_final(folder):
        print(f"{folder.name} is final: {store.state(folder)}")
        return 0
    (folder / store.ERROR).unlink(missing_ok=True)
    with claim.heartbeat():
        return train(claim)


def _refuse_another_run(config: RunConfig, folder: Path, config_file: Path) -> None:
    starts = store.read_starts(folder) or [{}]
    begun = starts[-1].get("run_id") or config.run_id
    if begun != config.run_id:
        raise UserError(
            f"{config_file} describes run {config.run_id}, but {folder} was begun as run {begun}: "
            "the description has changed, or what lies in its data.folder or data.file; undo that, "
            "or give the new run a folder of its own"
        )


def _is_final(folder: Path) -> bool:
    return store.read_result(folder) is not None


def _recorded(claim: store.Claim, train: Callable[[], int]) -> int:
    """Train, and record an error; of several processes, that of the one which fails first.

    Of these, one that fails ends at once, without what libraries do at the end of a process: they
    would wait for the others, which wait for it.
    """
    try:
        return _unless_taken_over(claim, train)
    except store.TakenOver as taken:
        print(taken, flush=True)
        return store.BUSY if place().ranks == 1 else _end(claim, store.BUSY)
    except Exception as error:
        here = place()
        who = f"rank {here.rank}: " if here.ranks > 1 else ""
        is_told = isinstance(error, UserError | Parted)
        kind = "" if is_told else f"{type(error).__name__}: "
        if not (claim.folder / store.ERROR).exists():
            store.write_error(claim.folder, f"{who}{kind}{error}")
        if here.ranks == 1:
            raise
        if is_told:
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exc()
        return _end(claim, 2 if isinstance(error, UserError) else 1)


def _unless_taken_over(claim: store.Claim, train: Callable[[], int]) -> int:
    """Whatever fails in a run that is another's by now is no error of that run."""
    try:
        with _in_words():
            return train()
    except Exception:
        claim.check()
        raise


def _end(claim: store.Claim, code: int) -> NoReturn:
    """At once: nobody has to wait until this process is silent."""
    claim.release()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def _in_words() -> Iterator[None]:
    """`UserError`, a line, where handles, threads or memory run out; `SPARED` handles are free
    again when it comes, so that it can be written down. `Parted`, a line, where a run's other
    processes are gone."""
    spared = [os.open(os.devnull, os.O_RDONLY) for _ in range(SPARED)]
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if line := exhausted(error):
            raise UserError(line) from error
        if place().ranks > 1 and (line := parted(error)):
            raise Parted(line) from error
        raise
    finally:
        for handle in spared:
            os.close(handle)


def _run(config: RunConfig, execution: Execution, claim: store.Claim) -> int:
    with _nothing_collected():
        from reslab.training.run import run  # torch and lightning: seconds

    chosen = _form(config, claim.folder, execution)
    if place().rank == 0 and (line := forms_in_words([chosen])):
        print(line, flush=True)
    return run(config, execution, chosen.form, claim)


def _form(config: RunConfig, folder: Path, execution: Execution) -> Chosen:
    """As the plan has said it."""
    import torch

    ranks, net = place().ranks, config.model
    multiply_adds = 0 if isinstance(net, Opaque) else cost(net, input_size(config)).multiply_adds
    gpus = ("0",) if torch.cuda.is_available() else ()
    slot = Slot(gpus, torch.get_num_threads(), ranks)
    return form_in(slot, Work(config, multiply_adds), folder, replace(execution, devices=ranks))


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """In a process's first imports, which stay, no garbage is looked for, neither meanwhile nor at
    its end: that is a fifth of a small run."""
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
