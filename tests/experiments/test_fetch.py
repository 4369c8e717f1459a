"""Weights that are missing are fetched before anything starts, or all are named at once."""

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.jobs import job
from tests.loopback import Loopback, serving

from reslab.config.public_weights import TABLE, PublishedWeights
from reslab.config.resolve import resolve
from reslab.config.start import Start
from reslab.config.trees import merge
from reslab.errors import UserError
from reslab.experiments.choice import pick
from reslab.experiments.fetch import fetch, missing, to_fetch
from reslab.experiments.jobs import Job

CONTENT = b"weights " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.pth").write_bytes(CONTENT)
    monkeypatch.setenv("RESLAB_WEIGHTS", str(tmp_path / "weights"))
    with serving(tmp_path / "there") as found:
        row = PublishedWeights(
            "akamaster:a", f"{found.url}/a.pth", "a.pth", DIGEST[:8], len(CONTENT)
        )
        monkeypatch.setitem(TABLE, "akamaster:a", row)
        yield found


def planned(folder: Path, label: str, start: Any, seed: int = 0) -> Job:
    made = job(folder / label, seed=seed)
    tree = {"model": "resnet20", "data": "cifar10", "recipe": "he2015_cifar", "seed": seed}
    config = resolve(merge(tree, {"start": start}), "here")
    variant = replace(made.variant, label=label, slug="x", params=272_474)
    return replace(made, config=config, variant=variant)


def test_a_file_is_fetched_once_for_all_that_start_from_it(
    server: Loopback, tmp_path: Path
) -> None:
    jobs = [
        planned(tmp_path, "head", {"name": "akamaster:a", "head": "zeros"}),
        planned(tmp_path, "all", "akamaster:a"),
        planned(tmp_path, "all", "akamaster:a", seed=1),
        planned(tmp_path, "scratch", "none"),
    ]
    [(start, whose)] = missing(jobs).items()
    assert (start.name, len(whose)) == ("akamaster:a", 3)
    fetch(jobs)
    assert (tmp_path / "weights" / "a.pth").read_bytes() == CONTENT
    assert server.asked == ["/a.pth"]
    assert not missing(jobs)


def test_a_dry_run_fetches_nothing_and_says_what_and_how_much(
    server: Loopback, tmp_path: Path
) -> None:
    url = {"url": f"{server.url}/b.pth", "sha256": "0" * 64}
    jobs = [planned(tmp_path, "a", "akamaster:a"), planned(tmp_path, "b", url)]
    one, other = to_fetch(missing(jobs))
    assert one == (
        f"would fetch akamaster:a (8 kB) for a: {server.url}/a.pth → {tmp_path}/weights/a.pth"
    )
    assert "(about 1.1 MB) for b" in other, "four bytes for each of the net's 272,474 parameters"
    assert not server.asked


def test_all_that_cannot_be_had_is_named_at_once_with_what_would_do(
    server: Loopback, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.pth"
    gone.write_bytes(CONTENT)
    jobs = [
        planned(tmp_path, "by file", {"file": str(gone)}),
        planned(tmp_path, "by url", {"url": f"{server.url}/c.pth", "sha256": "0" * 64}),
        planned(tmp_path, "scratch", "none"),
    ]
    gone.unlink()
    with pytest.raises(UserError) as caught:
        fetch(jobs)
    told = str(caught.value)
    assert f"by file: start: gone.pth: there is no {gone}" in told
    assert DIGEST in told, "of the file that would do"
    assert f"put that file to {tmp_path}/weights/c.pth" in told
    assert told.endswith("without these: ONLY='!by file,!by url'")


def test_the_only_that_does_without_is_taken_as_it_is_printed(
    server: Loopback, tmp_path: Path
) -> None:
    lacking = {"url": f"{server.url}/c.pth", "sha256": "0" * 64}
    labels = ["head", "head, then all", "head, then 'all'", "scratch"]
    jobs = [planned(tmp_path, label, lacking) for label in labels[1:3]]
    jobs += [planned(tmp_path, label, "none") for label in ("head", "scratch")]
    with pytest.raises(UserError) as caught:
        fetch(jobs)
    _, printed = str(caught.value).split("without these: ")
    [word] = shlex.split(printed)  # as a shell reads it
    assert pick(labels, word.removeprefix("ONLY=")) == ["head", "scratch"]


def test_a_file_of_which_no_sum_is_known_is_told_before_it_is_fetched(tmp_path: Path) -> None:
    """Hugging Face's: neither its name nor timm tells it. torchvision's and GitHub's names do."""
    hub = "timm:mobilenetv4_conv_aa_large.e230_r384_in12k"
    hashed = "torchvision:ResNet50_Weights.IMAGENET1K_V2"
    jobs = [planned(tmp_path, "a", hub), planned(tmp_path, "b", hashed)]
    one, other = to_fetch(missing(jobs))
    assert one.endswith("; its SHA-256 is not known before, start.json has it")
    assert other.endswith(".pth")


def test_a_run_that_has_begun_or_is_final_needs_no_origin(server: Loopback, tmp_path: Path) -> None:
    one = planned(tmp_path, "a", "akamaster:a")
    assert not missing([replace(one, state="done")])
    one.folder.mkdir(parents=True)
    (one.folder / "last.ckpt").write_bytes(b"x")
    assert not missing([one])


def test_a_run_of_the_plan_is_nothing_to_fetch(tmp_path: Path) -> None:
    assert not missing([planned(tmp_path, "a", {"run": "0123456789"})])
    assert Start(run="0123456789").origin == "run 0123456789"


def test_an_only_that_is_one_glob_with_a_comma_in_it_is_not_divided(
    server: Loopback, tmp_path: Path
) -> None:
    lacking = {"url": f"{server.url}/c.pth", "sha256": "0" * 64}
    labels = ["head", "head, then all", "head, then norms"]
    jobs = [planned(tmp_path, labels[1], lacking), planned(tmp_path, labels[2], "none")]
    with pytest.raises(UserError) as caught:
        fetch(jobs, "head, *")
    _, printed = str(caught.value).split("without these: ")
    [word] = shlex.split(printed)
    assert pick(labels, word.removeprefix("ONLY=")) == ["head, then norms"]
