"""An origin is a value: exactly one, by its content or its name, never by where it lies."""

from pathlib import Path
from typing import Any

import pytest

from reslab.config.resolve import resolve
from reslab.config.run import RunConfig
from reslab.config.start import Start, is_path
from reslab.config.strict_yaml import dump_yaml, load_yaml
from reslab.config.trees import merge
from reslab.errors import UserError

SMALL: dict[str, Any] = {"model": "resnet8_w8", "data": "digits", "recipe": "digits"}
SHA = "0123456789abcdef" * 4


def run(start: Any, **more: Any) -> RunConfig:
    return resolve(merge(SMALL, {"start": start, **more}), "a run")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"some weights")
    return path


def test_a_run_without_a_start_has_the_id_that_it_had() -> None:
    plain = resolve(merge(SMALL, {}), "a run")
    assert plain.start is None
    for absent in ("none", None):
        assert run(absent).run_id == plain.run_id


def test_a_file_enters_the_id_by_its_content(file: Path, tmp_path: Path) -> None:
    before = run(str(file))
    moved = tmp_path / "elsewhere" / "other.th"
    moved.parent.mkdir()
    file.rename(moved)
    assert run(str(moved)).run_id == before.run_id
    moved.write_bytes(b"some weightz")
    assert run(str(moved)).run_id != before.run_id


def test_a_file_and_a_url_of_one_content_are_one_run(file: Path) -> None:
    found = run(str(file))
    assert found.start is not None
    url = {"url": "https://example.org/w.pth", "sha256": found.start.sha256}
    other = {"url": "https://example.com/x.pth", "sha256": found.start.sha256}
    assert run(url).run_id == run(other).run_id == found.run_id


def test_a_published_name_enters_the_id_as_that_name() -> None:
    assert run("akamaster:resnet20").run_id != run("akamaster:resnet56").run_id
    assert run({"name": "akamaster:resnet20"}).run_id == run("akamaster:resnet20").run_id


def test_what_is_resolved_is_read_back_equal(file: Path, tmp_path: Path) -> None:
    found = run({"file": str(file), "head": "zeros"})
    (tmp_path / "config.yaml").write_text(dump_yaml(found.model_dump(mode="json")))
    file.unlink()  # the digest is known
    assert resolve(load_yaml(tmp_path / "config.yaml"), "again") == found


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({"head": "new"}, "start: says no origin; expected one of file, url"),
        ({"name": "akamaster:resnet20", "run": "0123456789"}, "start: got name and run; expected"),
        ({"url": "https://example.org/a.pth"}, "start: sha256: is missing"),
        ({"url": "http://example.org/a.pth", "sha256": SHA}, r"start.url: got .*expected https"),
        ({"url": "file:///etc/passwd", "sha256": SHA}, r"start.url: got .*expected https"),
        ("https://example.org/a.pth", "a URL needs its digest"),
        ({"run": "0123456789", "sha256": SHA}, "start: sha256: .* is not read with file: null"),
        ({"name": "akamaster:resnet20", "loads": "trunk", "head": "kept"}, "no part of the trunk"),
        ({"name": "torchvision:ResNet18_Weights.DEFAULT"}, "say which: .*IMAGENET1K_V1"),
        ({"run": "no id"}, "start.run: got 'no id'"),
        ("./nowhere.pth", r"there is no .*nowhere\.pth, and no .*nowhere\.pth; bring it"),
        (["a"], r"start: got \['a'\]; expected a name, a path, or a mapping"),
        ({"heads": "new", "name": "akamaster:resnet20"}, "start.heads: no such field.*head"),
        (
            {"name": "akamaster:resnet20", "loads": "l1"},
            r"start.loads: l1 slices .* has none; say what stays, start.keep: 0.7, or take a pr",
        ),
        ({"name": "akamaster:resnet20", "keep": 0.5}, "start.keep: is the part .* loads: l1 leav"),
        (
            {"name": "akamaster:resnet20", "loads": "l1", "keep": 1},
            "start.keep: 1 leaves every filter where it is; write loads: all",
        ),
        ({"name": "akamaster:resnet20", "loads": "l1", "keep": 2}, "start.keep: got 2; expected"),
    ],
)
def test_what_is_no_origin_is_refused_in_words(start: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        run(start)


def test_what_stays_is_short_for_the_inner_widths() -> None:
    start = {"name": "akamaster:resnet20", "loads": "l1"}
    short = run({**start, "keep": [0.5, 1, 0.25]})
    widths = [[4], [16], [8]]
    assert short == run(start, **{"model.inner_widths": widths})
    assert short.model.inner_widths == ((4,), (16,), (8,))  # type: ignore[union-attr]
    with pytest.raises(UserError, match=r"start\.keep: the net says its inner_widths already"):
        run({**start, "keep": 0.5}, **{"model.inner_widths": widths})


def test_what_else_is_wrong_with_a_pruned_net_is_told_by_its_own_field() -> None:
    start = {"name": "akamaster:resnet20", "loads": "l1", "keep": 0.5}
    with pytest.raises(UserError, match=r"model\.branch: got 'wide'"):
        run(start, **{"model.branch": "wide"})
    with pytest.raises(UserError, match=r"start\.loads: l1 .* model\.family is densenet; write"):
        run(start, model="densenet_40_12")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_http_is_for_the_loopback_address(host: str) -> None:
    Start(url=f"http://{host}:8000/a.pth", sha256=SHA)


def test_a_variants_mapping_takes_the_place_of_the_bases(file: Path) -> None:
    base = merge(SMALL, {"start": {"name": "akamaster:resnet20", "head": "zeros"}})
    assert merge(base, {"start": {"file": "x.pth"}})["start"] == {"file": "x.pth"}
    assert merge(base, {"start": "x.pth"})["start"] == "x.pth"
    assert merge(base, {"start": "none"})["start"] == "none"
    assert merge(merge(SMALL, {"start": "x.pth"}), {"start": {"file": "y"}})["start"] == {
        "file": "y"
    }


def test_a_dotted_path_changes_a_part_of_an_origin() -> None:
    base = merge(SMALL, {"start": "akamaster:resnet20"})
    told = {"name": "akamaster:resnet20", "head": "zeros"}
    assert merge(base, {"start.head": "zeros"})["start"] == told
    assert resolve(merge(base, {"start.head": "zeros"}), "").start == Start(**told)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["a/b", "./a", "~/a", "lite0.safetensors", "x.th", "x.ckpt"])
def test_words_that_look_like_paths_are_files(word: str) -> None:
    assert is_path(word)


@pytest.mark.parametrize(
    "word", ["akamaster:resnet20", "timm:resnet50.a1_in1k", "torchvision:ResNet50_Weights.X"]
)
def test_names_are_no_paths(word: str) -> None:
    assert not is_path(word)


def test_a_run_given_by_its_folder_is_its_checkpoint(tmp_path: Path) -> None:
    parent = resolve(merge(SMALL, {}), "the parent")
    (tmp_path / "config.yaml").write_text(dump_yaml(parent.model_dump(mode="json")))
    (tmp_path / "last.ckpt").write_bytes(b"a checkpoint")
    by_folder, by_file = run(str(tmp_path)), run(str(tmp_path / "last.ckpt"))
    assert by_folder == by_file
    assert by_folder.start is not None and by_folder.start.head == "kept"
    assert by_folder.start.origin == tmp_path.name
    other = run(str(tmp_path), data="mnist", recipe="mnist").start
    assert other is not None and other.head == "new", "other classes"
    assert run({"file": str(tmp_path), "head": "zeros"}).start.head == "zeros"  # type: ignore[union-attr]


def test_the_head_of_anybody_elses_file_is_new(file: Path) -> None:
    found = run(str(file)).start
    assert found is not None and found.head == "new"
