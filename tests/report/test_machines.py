"""What starts of runs say of themselves, those too that recorded less than is recorded now."""

from reslab.report.machines import code, form, machine, versions

WHOLE = {
    "device": "cuda (NVIDIA H200)", "devices": 2, "micro_batch": 16, "sync_batchnorm": True,
    "form": "cuda graphs", "code": "c0de", "commit": "f00d", "torch": "2.14.1", "python": "3.12.3",
    "numpy": None,
}  # fmt: skip


def test_a_start_says_devices_form_versions_and_code() -> None:
    assert [tell(WHOLE) for tell in (machine, form, versions, code)] == [
        "2 × cuda (NVIDIA H200) in micro-batches of 16 with synchronised BatchNorm",
        "cuda graphs",
        "python 3.12.3, torch 2.14.1",
        "code c0de, commit f00d",
    ]


def test_a_start_that_recorded_nothing_was_eager_on_one_device() -> None:
    told = ["1 × unknown", "eager", "", "code unknown"]
    assert [tell({}) for tell in (machine, form, versions, code)] == told
