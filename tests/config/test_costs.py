"""Costs of our nets without torch, summed over words; other libraries' are counted by a process."""

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.configs.shipped import EXPERIMENTS, plan

from reslab.config.convolutions import BRANCHES, STEMS
from reslab.config.costs import (
    MOST_PARAMETERS,
    Complexity,
    Impossible,
    cost,
    costs,
    counted_by_torch,
)
from reslab.config.nets import DenseNet, Foreign, ResNet
from reslab.config.run import input_size
from reslab.config.words import ORDERS, SHORTCUTS
from reslab.config.zoo import ZOO, describe
from reslab.errors import UserError

GOLDEN = json.loads(Path(__file__).with_name("complexities.json").read_text(encoding="utf-8"))
"""A row for each name of the zoo. A refactoring leaves them; a new net adds one, which
tests/models/test_count.py holds against a source outside this repository."""


def changed(name: str, **fields: object) -> ResNet | DenseNet:
    net = describe(name)
    return type(net).model_validate(net.model_dump() | fields)


def test_named_nets_cost_what_their_golden_rows_say() -> None:
    summed = {name: vars(cost(e.description, e.image_size)) for name, e in ZOO.items()}
    assert summed == GOLDEN


def test_summing_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a process was started"))
    nets = [(entry.description, entry.image_size) for entry in ZOO.values()]
    assert len(costs(nets)) == len({*nets})


def test_classes_cost_a_row_of_weights_and_a_bias_each() -> None:
    """90 classes more: 64 weights and a bias each."""
    hundred = describe("resnet20").model_copy(update={"classes": 100})
    assert cost(hundred, 32) == Complexity(269_722 + 90 * 65, 40_551_040 + 90 * 64)


def test_option_d_has_two_projections_more_than_a() -> None:
    """16 → 32 and 32 → 64 channels, 1×1 on 16² and 8² pixels, each with a norm."""
    found = cost(changed("resnet20", shortcut="D"), 32)
    assert found == Complexity(269_722 + 2752, 40_813_184)


@pytest.mark.parametrize("name", ["densenet121", "preact_resnet18", "xception"])
def test_images_that_are_too_small_are_refused(name: str) -> None:
    with pytest.raises(Impossible, match=r"cannot take images of 0 × 0 pixels: a \d × \d window"):
        cost(describe(name), 0)


def test_a_dense_nets_last_pooling_needs_two_pixels() -> None:
    with pytest.raises(Impossible, match="8 × 8 pixels: a 2 × 2 window has to fit into 1 × 1"):
        cost(describe("densenet121"), 8)


def test_more_parameters_than_anybody_has_are_refused() -> None:
    with pytest.raises(Impossible, match=r"the net has 4\.5e\+21 parameters; expected at most"):
        cost(changed("resnet20", widths=(16, 32, 10**10)), 32)
    assert max(row["params"] for row in GOLDEN.values()) < MOST_PARAMETERS


FIELDS: dict[str, list[dict[str, object]]] = {
    "shortcut": [{"shortcut": word} for word in SHORTCUTS],
    "order": [{"order": word} for word in ORDERS],
    "stem": [{"stem": word} for word in STEMS],
    "branch": [{"branch": word, "shortcut": "B"} for word in BRANCHES],
    "norm": [{"norm": word} for word in ("batch", "group", "layer", "none")],
    "scaling": [
        {"scaling": "rezero"},
        {"scaling": "skipinit", "norm": "none"},
        {"scaling": "fixup", "norm": "none"},
        {"scaling": "fixup", "norm": "none", "shortcut": "C"},
    ],
    "further": [
        {"se": 4}, {"se": 4, "se_bias": False}, {"dropout": 0.1}, {"survival": 0.5},
        {"zero_gamma": True}, {"kernels": (3, 1, 5)}, {"exit": (24, 40)},
        {"downsample": "max_pool", "shortcut": "C"},
        {"shortcut": "B", "order": "full_preactivation", "projection_reads": "x"},
        {"branch": "separable", "shortcut": "B", "inner": ((8,), (8, 16), (24,))},
        {"branch": "bottleneck", "shortcut": "C", "groups": 4, "base_width": 16},
        {"strides": (1, 3, 2)}, {"in_channels": 1},
        {"order": "full_preactivation", "padding_reads": "order"}, {"gamma_init": "uniform"},
        {"linear_init": "small"}, {"shortcut": "gated", "gate_init": "same"},
        {"scaling": "fixup", "norm": "none", "stem_init": "same"},
        {"inner_widths": ((5,), (32,), (7,))},
        {"inner_widths": ((5,), (6,), (7,)), "kernels": (3, 1, 5), "order": "full_preactivation"},
        {"inner_widths": ((5,), (6,), (7,)), "branch": "bottleneck", "shortcut": "C"},
    ],
}  # fmt: skip
"""Every word of every table, and every field that adds or moves a layer."""


@pytest.mark.process
def test_torch_counts_the_same_for_every_word_and_field() -> None:
    fields = list(itertools.chain.from_iterable(FIELDS.values()))
    nets = [(changed("resnet8", in_channels=3) if not f else changed("resnet8", **f), 29)
            for f in fields]  # fmt: skip
    dense = {"units": (2, 3), "stem": "7x7_pool", "compression": 0.4, "bottleneck": True}
    nets += [(changed("densenet_40_12", **dense, dropout=0.2), 37)]
    assert [cost(*net) for net in nets] == counted_by_torch(nets)


@pytest.mark.slow
def test_torch_counts_the_same_for_every_net_of_a_shipped_experiment() -> None:
    nets = list(
        dict.fromkeys(
            (config.model, input_size(config))
            for name in EXPERIMENTS
            for variant in plan(name).variants
            for config in variant.configs
            if not isinstance(config.model, Foreign)
        )
    )
    assert [cost(*net) for net in nets] == counted_by_torch(nets)


@pytest.mark.process
def test_a_net_that_a_library_does_not_have_is_refused_with_its_nearest() -> None:
    good, unknown = (describe("resnet20"), 32), (describe("torchvision:resnet51"), 32)
    with pytest.raises(Impossible, match="torchvision has no net 'resnet51'; did you m") as caught:
        costs([good, unknown])
    assert caught.value.net == unknown


def test_a_failing_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"reslab\.models\.count has not counted the nets: exit c"):
        costs([(describe("torchvision:resnet18"), 224)])


@pytest.mark.process
def test_summing_imports_no_torch() -> None:
    code = (
        "import sys; from reslab.report.models import rows; assert rows('*');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _runs(pid: str) -> bool:
    stat = Path("/proc", pid, "stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_process_that_counts_ends_with_whoever_asked(tmp_path: Path) -> None:
    """A launcher that is killed while it plans leaves nothing behind."""
    counter, told = tmp_path / "python", tmp_path / "pid"
    counter.write_text(f"#!/bin/sh\necho $$ > {told}.new; mv {told}.new {told}\nexec sleep 300\n")
    counter.chmod(0o755)
    ask = f"import sys; from reslab.config import costs; sys.executable = {str(counter)!r}; "
    with subprocess.Popen([sys.executable, "-c", f"{ask} costs.counted_by_torch([])"]) as asker:
        deadline = time.monotonic() + 60
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        pid = told.read_text().strip()
        assert _runs(pid)
        asker.send_signal(signal.SIGKILL)
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)
