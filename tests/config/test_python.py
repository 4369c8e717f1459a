"""Nets of one's own as values: the file's content, what is called in it, and with what."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.python_nets import NET, net, net_file
from tests.small_runs import SMALL

from reslab.config.nets import PythonNet
from reslab.config.python import beside, source
from reslab.config.resolve import read_run, resolve
from reslab.config.run import RunConfig
from reslab.config.strict_yaml import dump_yaml
from reslab.config.trees import merge
from reslab.config.zoo import describe
from reslab.errors import UserError


def run(model: Any, **more: Any) -> RunConfig:
    return resolve(merge(SMALL, {"model": model, **more}), "here")


def own(config: RunConfig) -> PythonNet:
    assert isinstance(config.model, PythonNet)
    return config.model


def test_the_file_is_read_and_not_run(tmp_path: Path) -> None:
    file = net_file(tmp_path, "raise SystemExit(3)\n")
    found = own(run(net(file)))
    assert (found.file, found.entrypoint, found.arguments) == (str(file), "Net", ())
    assert (found.in_channels, found.classes) == (1, 10)  # of the digits


def test_the_id_is_of_the_files_content_and_not_of_its_place(tmp_path: Path) -> None:
    file = net_file(tmp_path)
    moved = shutil.copy(file, net_file(tmp_path / "else where", name="other-name.py"))
    changed = net_file(tmp_path / "changed", NET + "\n")
    assert run(net(moved)).run_id == run(net(file)).run_id != run(net(changed)).run_id


def test_the_id_is_of_what_is_called_and_with_what(tmp_path: Path) -> None:
    file = net_file(tmp_path)
    said = (net(file), net(file, "Other"), net(file, width=1), net(file, width=2),
            net(file, width=1.0), net(file, width=True), net(file, width=[1]))  # fmt: skip
    assert len({run(one).run_id for one in said}) == len(said)
    assert len({own(run(one)) for one in said}) == len(said), "costs are counted for each"


def test_arguments_are_sorted_pairs_and_lists_are_tuples(tmp_path: Path) -> None:
    file = net_file(tmp_path)
    one = run(net(file, width=8, depths=[1, [2, 3]], act="relu", bias=True, drop=None, p=0.5))
    other = run(net(file, p=0.5, drop=None, bias=True, act="relu", depths=[1, [2, 3]], width=8))
    expected = (("act", "relu"), ("bias", True), ("depths", (1, (2, 3))), ("drop", None),
                ("p", 0.5), ("width", 8))  # fmt: skip
    assert own(one).arguments == own(other).arguments == expected
    assert one.run_id == other.run_id
    hash(one)


def test_an_id_is_known_by_heart(tmp_path: Path) -> None:
    """So that no later version gives another: what was trained would be trained anew."""
    assert run(net(net_file(tmp_path), width=16)).run_id == "9a531b444d"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = run(net(net_file(tmp_path), width=8, depths=[1, 2]))
    (tmp_path / "run.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
    again = read_run(tmp_path / "run.yaml")
    assert (again, again.run_id) == (config, config.run_id)


@pytest.mark.parametrize(
    "word", ["my nets/a-b.py:Net", "./my nets/a-b.py:Net", "~/my nets/a-b.py:Net"]
)
def test_a_path_is_from_where_one_is_or_from_ones_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = net_file(tmp_path / "my nets", name="a-b.py")
    assert own(run({"python": word})).file == str(file)
    assert run({"python": word}) == run(f"python:{word}")


def test_a_net_in_a_file_takes_the_place_of_one_by_name_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    mine = net(net_file(tmp_path), width=4)
    named = {**SMALL, "model": "resnet8_w8"}
    in_file = {**SMALL, "model": mine}
    assert resolve(merge(named, {"model": mine}), "x") == resolve(in_file, "x")
    assert resolve(merge(named, {"model.python": mine["python"], "model.arguments.width": 4}), "x")
    for word in ("resnet8_w8", {"name": "resnet8_w8"}):
        assert resolve(merge(in_file, {"model": word}), "x") == resolve(named, "x")
    wider = merge(in_file, {"model.arguments.width": 16})
    assert own(resolve(wider, "x")).arguments == (("width", 16),)
    for word in ({"python": mine["python"]}, f"python:{mine['python']}"):
        assert resolve(merge(in_file, {"model": word}), "x") == resolve(in_file, "x")
        changed = merge({**SMALL, "model": {"arguments": {"width": 4}}}, {"model": word})
        assert resolve(changed, "x") == resolve(in_file, "x")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"python": "FILE"}, r"here: model: got '.*my_nets.py'; expected FILE\.py:NAME.*has Net$"),
        ({"python": "FILE:"}, r"expected FILE\.py:NAME"),
        ({"python": "FILE:a b"}, r"expected FILE\.py:NAME"),
        ({"python": "my_nets:Net"}, r"expected FILE\.py:NAME"),
        ({"python": "none.py:Net"}, "here: model: there is no file .*none.py"),
        ({"python": "~no-such-user/none.py:Net"}, "here: model: got '~no-such-user/none.py'"),
        ({"python": 3}, "model.python: got 3; expected a word"),
        (
            {"python": "FILE:Net", "name": "resnet20"},
            "model: stands here twice, as 'resnet20' and as 'python:.*my_nets.py:Net'",
        ),
        ({"python": "FILE:Net", "shortcut": "A"}, "model.shortcut: no such field"),
        ({"python": "FILE:Net", "arguments": 3}, "model.arguments: got 3; expected a mapping"),
        (
            {"python": "FILE:Net", "arguments": {"shape": {"width": 3}}},
            r"model.arguments.shape: got {width: 3}; expected a number, a word, true",
        ),
        ({"python": "FILE:Net", "arguments": {"p": float("inf")}}, "arguments.p: got inf; expe"),
        ({"python": "FILE:Net", "arguments": {"my width": 3}}, "no parameter can be called"),
        (
            {"python": "FILE:Net", "arguments": {"num_classes": 3}},
            "model.arguments.num_classes: is given by the run, as model.classes; leave it out",
        ),
        ({"name": "resnet20", "arguments": {"width": 3}}, "model.arguments: no such field"),
    ],
    ids=str,
)
def test_what_is_no_net_in_a_file_is_refused(
    tmp_path: Path, model: dict[str, Any], said: str
) -> None:
    file = str(net_file(tmp_path))
    if isinstance(word := model.get("python"), str):
        model = {**model, "python": word.replace("FILE", file)}
    with pytest.raises(UserError, match=said):
        run(model)


def test_the_words_of_trains_are_those_that_are_known_of_any_net(tmp_path: Path) -> None:
    file = net_file(tmp_path)
    for word in ("head", "norms", "biases"):
        assert run(net(file), trains=word).trains == (word,)
    with pytest.raises(UserError, match="no 'layer1'; of a net of one's own nobody says what its"):
        run(net(file), trains="layer1")
    with pytest.raises(UserError, match=r"layer_decay: 0\.5 is not read .*one's own"):
        run(net(file), **{"recipe.optimizer.layer_decay": 0.5})


def test_a_file_that_has_changed_or_gone_is_no_net_any_more(tmp_path: Path) -> None:
    described = describe(f"python:{net_file(tmp_path)}:Net")
    assert isinstance(described, PythonNet)
    assert source(described) == NET.encode()
    net_file(tmp_path, NET + "#")
    with pytest.raises(UserError, match=r"my_nets.py is not the code of my_nets.py:Net any more"):
        source(described)
    (tmp_path / "my_nets.py").unlink()
    with pytest.raises(UserError, match=r"there is no .*my_nets.py, .*bring it back"):
        source(described)


def test_beside_weights_the_file_is_the_one_that_lies_there(tmp_path: Path) -> None:
    config = run(net(net_file(tmp_path)))
    there = beside(config, tmp_path / "run")
    assert own(there).file == str(tmp_path / "run" / "my_nets.py")
    assert there.run_id == config.run_id
    ours = run("resnet8_w8")
    assert beside(ours, tmp_path) is ours
