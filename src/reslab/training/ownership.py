"""A run that is another's writes nothing more: its owner looks before whatever callbacks write."""

from typing import Any

from lightning import Callback, Trainer

from reslab.store.owner import Claim


class Ownership(Callback):
    """Stands first among the callbacks: in every hook in which one of them may write, the lock is
    read before (`TakenOver`). What takes long to write is asked for once more at its end
    (`Checkpoint`), and what is written in the middle of a chunk beside it (`Diagnostics`)."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim

    def setup(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """All processes have the first one's claim: what fails in one of them because that one has
        left is no error of the run."""
        self.claim.token = trainer.strategy.broadcast(self.claim.token)
        self.check(trainer)

    def check(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Read the lock, in the process that writes."""
        if trainer.is_global_zero:
            self.claim.check()

    on_train_start = on_train_batch_end = on_train_end = check
    on_validation_start = on_validation_end = on_test_start = on_test_end = check
    on_save_checkpoint = check
