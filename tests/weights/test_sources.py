"""From an origin to tensors: found, fetched, checked, read; and nothing in a file runs."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.loopback import serving

from reslab import build, disk, store
from reslab.config.public_weights import TABLE, PublishedWeights
from reslab.config.start import Start
from reslab.errors import UserError
from reslab.weights.sources import find, parent_checkpoint, read_origin


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RESLAB_WEIGHTS, empty."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("RESLAB_WEIGHTS", str(folder))
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as others publish it, in a folder to be served."""
    path = tmp_path / "there" / "net-12345678.pth"
    path.parent.mkdir()
    torch.save({"state_dict": build("resnet8_w8").state_dict()}, path)
    named = path.with_name(f"net-{sha256(path)[:8]}.pth")
    path.rename(named)
    return named


def test_a_url_is_downloaded_once_and_checked(
    weights: Path, published: Path, tmp_path: Path
) -> None:
    with serving(published.parent) as server:
        start = Start(url=f"{server.url}/{published.name}", sha256=sha256(published))
        origin, held = read_origin(start, tmp_path)
        assert origin.path == weights / published.name
        assert held.tensors.keys() == build("resnet8_w8").state_dict().keys()
        assert find(start, tmp_path) == origin
        assert len(server.asked) == 1


def test_a_published_name_is_downloaded_and_its_hash_is_checked(
    weights: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(published.parent) as server:
        for digest, is_right in ((sha256(published)[:8], True), ("0badc0de", False)):
            row = PublishedWeights(
                "akamaster:x", f"{server.url}/{published.name}", f"{digest}.pth", digest
            )
            monkeypatch.setitem(TABLE, "akamaster:x", row)
            start = Start(name="akamaster:x")
            if is_right:
                assert find(start, tmp_path).digest == sha256(published)
            else:
                with pytest.raises(
                    UserError, match=r"expected +SHA-256 0badc0de; to bring it yourself"
                ):
                    find(start, tmp_path)
                assert not (weights / f"{digest}.pth").exists()


def test_torchvisions_and_timms_names_are_fetched_from_their_servers(
    weights: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """timm's from a Hub on the loopback address; torchvision's by its URL, with its hash."""
    from reslab.config import public_weights

    hub = published.parent / "timm" / "mobilenetv4_conv_aa_large.e230_r384_in12k"
    (hub / "resolve" / "main").mkdir(parents=True)
    (hub / "resolve" / "main" / "model.safetensors").write_bytes(published.read_bytes())
    with serving(published.parent) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        found = find(Start(name=f"timm:{hub.name}"), tmp_path)
        assert found.path == weights / f"{hub.name}.safetensors"
        name = "torchvision:ResNet18_Weights.IMAGENET1K_V1"
        row = public_weights.torchvision_weights()[name]
        moved = PublishedWeights(name, f"{server.url}/{published.name}", published.name, row.digest)
        monkeypatch.setitem(public_weights.torchvision_weights(), name, moved)
        with pytest.raises(UserError, match=f"expected +SHA-256 {row.digest}"):
            find(Start(name=name), tmp_path)


def test_what_cannot_be_had_says_which_file_would_do(weights: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as gone:
        pass
    start = Start(url=f"{gone.url}/a.pth", sha256="0" * 64)
    with pytest.raises(UserError, match=rf"refused.*put that file to {weights}/a\.pth"):
        find(start, tmp_path)


def test_a_file_of_another_content_is_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not what the run starts from: .* or begin a new run"):
        find(Start(file=str(published), sha256="0" * 64), tmp_path)


class Payload:
    """What a pickle runs where it is read by torch.load of old."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("by", ["torch.save", "pickle"])
def test_a_pickle_with_a_payload_is_refused_and_nothing_ran(tmp_path: Path, by: str) -> None:
    trace, file = tmp_path / "ran", tmp_path / "a.pth"
    held = {"state_dict": build("resnet8_w8").state_dict(), "extra": Payload(trace)}
    if by == "pickle":
        file.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, file)
    with pytest.raises(UserError, match=r"start: .*a\.pth cannot be read as weights"):
        read_origin(Start(file=str(file), sha256=sha256(file)), tmp_path)
    assert not trace.exists()


WRAPPED = {
    "bare": lambda held: held,
    "state_dict": lambda held: {"state_dict": held, "epoch": 3},
    "model": lambda held: {"model": held, "optimizer": {"state": {}, "param_groups": []}},
    "model_state_dict": lambda held: {"model_state_dict": held},
    "net": lambda held: {"net": held, "acc": 91.5, "epoch": 3},
    "ema": lambda held: {"ema": held},
    "model_ema": lambda held: {"model_ema": held, "epoch": 3},
}
PREFIXES = ("", "module.", "_orig_mod.", "model.", "net.", "module._orig_mod.", "model._orig_mod.")
"""DataParallel's, torch.compile's, those of LightningModules, and several of them."""


@pytest.mark.parametrize("wrapper", WRAPPED)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_usual_wrapper_and_prefix_is_read(tmp_path: Path, wrapper: str, prefix: str) -> None:
    state = build("resnet8_w8").state_dict()
    file = tmp_path / "a.pth"
    torch.save(WRAPPED[wrapper]({f"{prefix}{key}": value for key, value in state.items()}), file)
    _, held = read_origin(Start(file=str(file), sha256=sha256(file)), tmp_path)
    assert held.tensors.keys() == state.keys()
    assert all(torch.equal(held.tensors[key], state[key]) for key in state)


def test_one_of_several_state_dicts_is_said_by_its_key(tmp_path: Path) -> None:
    trained, averaged = (build("resnet8_w8").state_dict() for _ in range(2))
    file = tmp_path / "a.pth"
    torch.save({"state_dict": trained, "state_dict_ema": averaged}, file)
    for key, expected in ((None, trained), ("state_dict_ema", averaged)):
        _, held = read_origin(Start(file=str(file), sha256=sha256(file), key=key), tmp_path)
        assert torch.equal(held.tensors["fc.weight"], expected["fc.weight"])


def test_a_key_of_a_file_that_holds_one_state_dict_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file(build("resnet8_w8").state_dict(), file)
    assert read_origin(Start(file=str(file), sha256=sha256(file)), tmp_path)[1].tensors
    with pytest.raises(UserError, match=r"hold one state dict, and this one no 'ema'; leave the k"):
        read_origin(Start(file=str(file), sha256=sha256(file), key="ema"), tmp_path)


# Another run


def folder(parent: Path, name: str, status: str | None) -> Path:
    made = parent / name
    made.mkdir()
    if status:
        score = {"top1_error": 1.0}
        result = {"status": status, "step": 1, "train": score, "test": score}
        disk.write_json(made / store.RESULT, result)
    return made


def test_a_parent_is_a_finished_run_in_a_folder_beside(tmp_path: Path) -> None:
    child = folder(tmp_path, "child-s0-aaaaaaaaaa", None)
    with pytest.raises(UserError, match=r"not done: there is no \*-0123456789 in .*train it first"):
        parent_checkpoint("0123456789", child)
    parent = folder(tmp_path, "parent-s0-0123456789", None)
    with pytest.raises(UserError, match=r"parent-s0-0123456789 is pending"):
        parent_checkpoint("0123456789", child)
    folder(tmp_path, "other-s0-0123456789", "done")
    gone = r"it starts from other-s0-0123456789, whose last\.ckpt is gone; bring it back"
    with pytest.raises(UserError, match=gone):
        parent_checkpoint("0123456789", child)
    (parent / store.CHECKPOINT).write_bytes(b"x")
    with pytest.raises(UserError, match=gone):  # the other's is that of a run that is not done
        parent_checkpoint("0123456789", child)
    (tmp_path / "other-s0-0123456789" / store.CHECKPOINT).write_bytes(b"x")
    assert parent_checkpoint("0123456789", child).parent.name == "other-s0-0123456789"
