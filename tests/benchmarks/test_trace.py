"""For how much of a trace's time a GPU has nothing to do; the traces are made up."""

import json
from pathlib import Path

import pytest
from benchmarks.trace import idle_share, read_trace


def kernel(start: float, duration: float, category: str = "kernel") -> dict[str, object]:
    return {"ph": "X", "cat": category, "ts": start, "dur": duration, "name": "some"}


def test_what_no_kernel_covers_is_idle() -> None:
    trace = {"traceEvents": [kernel(100, 30), kernel(150, 50)]}
    assert idle_share(trace) == pytest.approx(20 / 100)


def test_streams_that_overlap_count_once() -> None:
    events = [kernel(0, 40), kernel(10, 10), kernel(30, 30), kernel(80, 20, "gpu_memcpy")]
    assert idle_share({"traceEvents": events}) == pytest.approx(20 / 100)


def test_work_of_the_host_is_none_of_the_gpus() -> None:
    """Launches, operators, and events without a category."""
    host = [kernel(0, 1000, "cuda_runtime"), kernel(0, 1000, "cpu_op"), {"ph": "M", "ts": 0}]
    assert idle_share({"traceEvents": [*host, kernel(500, 10)]}) == 0
    assert idle_share({"traceEvents": host}) is None


def test_a_trace_is_read_as_torch_exports_it(tmp_path: Path) -> None:
    """That of a CPU has no work of a GPU."""
    from torch import ones
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        ones(3).sum()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = read_trace(tmp_path / "trace.json")
    assert any(event["name"] == "aten::sum" for event in trace["traceEvents"])
    assert idle_share(trace) is None
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": [kernel(0, 4)]}))
    assert idle_share(read_trace(tmp_path / "trace.json")) == 0
