"""What torch says of memory, and of a norm of one value, is told with what to do."""

from typing import Any

import pytest
import torch
from tests.small_runs import MakeRun

from reslab import store
from reslab.config.resolve import read_run
from reslab.errors import UserError
from reslab.execution import RUNS_PER_GPU, Execution
from reslab.training.classifier import Classifier
from reslab.training.start import start
from reslab.training.trouble import advice

pytestmark = pytest.mark.process

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_memory_that_runs_out_names_the_batch_and_a_smaller_one(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    def run_out(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Classifier, "training_step", run_out)
    with pytest.raises(UserError) as refusal:
        start(make_run("a"), Execution(micro_batch=16))
    assert str(refusal.value).splitlines() == [
        "out of memory with 16 of the 32 examples of a batch at once in each of 1 process; "
        "MICRO_BATCH=8 (--micro-batch 8) needs less",
        f"       {error}",
    ]


def test_memory_that_is_short_since_others_share_the_gpu_is_told_so(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_run(make_run("a"))
    alone = advice(config, Execution(), OUT_OF_MEMORY[0], evaluates=False)
    assert "SLOTS_PER_GPU" not in alone
    monkeypatch.setenv(RUNS_PER_GPU, "4")
    shared = advice(config, Execution(), OUT_OF_MEMORY[0], evaluates=False)
    assert "needs less; 4 runs share its GPU, fewer (SLOTS_PER_GPU) leave more\n" in shared


@pytest.mark.parametrize("step", ["validation_step", "test_step"])
def test_memory_that_runs_out_in_an_evaluation_is_not_the_batchs_fault(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def run_out(*_: Any) -> None:
        raise OUT_OF_MEMORY[0]

    monkeypatch.setattr(Classifier, step, run_out)
    with pytest.raises(UserError, match="out of memory in an evaluation, which a smaller batch"):
        start(make_run("a"))


def test_another_librarys_norm_of_one_value_is_told_in_words(make_run: MakeRun) -> None:
    """timm's ResNet-18 makes 8 × 8 pixels 1 × 1, which nobody knows before it is built."""
    config = make_run("a", {"model": "timm:resnet18"})
    with pytest.raises(UserError, match="sees one value per channel: 1 example at a time"):
        start(config, Execution(micro_batch=1))
    assert store.state(config.parent) == "crashed"
