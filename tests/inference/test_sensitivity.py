"""Pruned without retraining: the errors of nets that are sliced by stage, and the files of them."""

import csv
from pathlib import Path

import pytest
import torch
from tests.small_runs import Script

from reslab import build
from reslab.config.costs import cost
from reslab.config.pruning import without_part
from reslab.config.zoo import describe
from reslab.errors import UserError
from reslab.inference.evaluate import evaluate_file
from reslab.inference.sensitivity import write_sensitivity
from reslab.inference.trained import trained
from reslab.weights.files import write_safetensors
from reslab.weights.given import NOTHING, Given


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_stage_and_part_is_a_row_beside_the_whole_net(
    digit_weights: Path, tmp_path: Path
) -> None:
    written = write_sensitivity(digit_weights, NOTHING, (0.25, 0.9))
    assert [path.suffix for path in written] == [".csv", ".png", ".svg", ".pdf"]
    assert all(path.parent == digit_weights.parent and path.stat().st_size for path in written)
    whole, *pruned = rows(written[0])
    assert float(whole["top1_error"]) == evaluate_file(digit_weights).score.top1_error
    assert [(row["stage"], row["pruned"]) for row in pruned] == [
        (f"layer{stage}", part) for stage in (1, 2, 3) for part in ("0.25", "0.9")
    ]
    net = without_part(describe("resnet8_w8"), 2, 0.25)  # type: ignore[arg-type]
    assert pruned[4]["params"] == str(cost(net, 8).params)
    assert int(whole["multiply_adds"]) > int(pruned[4]["multiply_adds"])


def test_a_row_is_the_error_of_the_net_with_the_channels_at_zero(
    digit_weights: Path, tmp_path: Path
) -> None:
    """Of the first stage, whose one unit has eight filters, six are left."""
    found = rows(write_sensitivity(digit_weights, NOTHING, (0.25,))[0])[1]
    net, about = trained(digit_weights)
    norms = net.get_parameter("layer1.0.conv1.weight").abs().sum((1, 2, 3))
    net.get_parameter("layer1.0.conv2.weight").data[:, norms.argsort()[:2]] = 0
    write_safetensors(tmp_path / "zeros.safetensors", net.state_dict(), about)
    error = evaluate_file(tmp_path / "zeros.safetensors").score.top1_error
    assert float(found["top1_error"]) == pytest.approx(error, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("resnext29_2x64d", "cannot be pruned: inner_widths: are not those of convolutions in gro"),
        ("densenet_40_12", "residual nets of this repository, not in this net"),
    ],
)
def test_a_net_whose_units_cannot_be_pruned_is_refused(
    tmp_path: Path, model: str, told: str
) -> None:
    torch.save(build(model).state_dict(), tmp_path / "net.pth")
    said = Given(model=model, data="cifar10", normalization="none")
    with pytest.raises(UserError, match=told):
        write_sensitivity(tmp_path / "net.pth", said, (0.5,))


def test_the_script_says_each_error_and_where_the_files_are(
    script: Script, digit_weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "to").mkdir()
    code, out, _ = script(
        "sensitivity.py", digit_weights, "--parts", "0.5", "--to", tmp_path / "to"
    )
    assert code == 0
    assert "layer2 without 50 %: test error" in out
    assert str(tmp_path / "to" / "sensitivity.pdf") in out
    code, _, told = script("sensitivity.py", digit_weights, "--parts", "2")
    assert code == 2 and "expected parts between 0 and 1" in told
    code, _, told = script("sensitivity.py", digit_weights, "--to", tmp_path / "nowhere")
    assert code == 2 and "there is no folder" in told
