"""What every test stands on: no key, no network logging, run folders of its own; and real data.

A test that needs a large data set is skipped where it is not at hand, and fails in CI.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Warnings of other libraries are errors but for these, in the tests that cannot avoid them.
DECODING = pytest.mark.filterwarnings(
    # torchvision 0.29 decodes images as before and points to its successor, torchcodec.
    "ignore:The image decoding and encoding capabilities of TorchVision:DeprecationWarning"
)
WORKERS = pytest.mark.filterwarnings(
    # Two workers are tested on a machine with one core, too.
    "ignore:This DataLoader will create:UserWarning"
)

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


# A job in a shell's background ignores Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


OTHERS = re.compile(r"(WANDB|RESLAB|LOCAL|MASTER|SLURM|TORCHELASTIC)_.*|RANK|WORLD_SIZE")
"""Words of the environment that the code heeds. WANDB_SERVICE, for one, is wandb's process of an
earlier test, which would know of that one's runs."""


@pytest.fixture(autouse=True)
def undisturbed(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's reaches a test, and nothing of a test reaches the user's folders."""
    for word in filter(OTHERS.fullmatch, list(os.environ)):
        monkeypatch.delenv(word)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("RESLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"), prepend=os.pathsep)
    if "torch" in sys.modules:  # whatever tests came before
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Bit-equality on a CPU needs equal thread counts, in this process and in those it starts."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what is asserted bit for bit is so on a CPU
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def slurm_client(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SLURM's client is on every test's PATH, as on a login node, and nothing calls it."""
    folder = tmp_path_factory.mktemp("slurm")
    client = folder / "srun"
    client.write_text("#!/bin/sh\nexit 99\n")
    client.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def missing(reason: str) -> None:
    """Skip the test; in CI, where all data are promised, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """`RESLAB_DATA`, or data in the checkout. It may be empty: see `require_data`."""
    return Path(os.environ.get("RESLAB_DATA") or REPOSITORY / "data").resolve()


@pytest.fixture
def require_data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`require_data("cifar10")`: the test reads the real data set, also in processes it starts."""

    def require(name: str) -> Path:
        from reslab.config.datasets import FOLDERS
        from reslab.data.files import DOWNLOADS

        if name in FOLDERS and not (data_folder / FOLDERS[name]).is_dir():
            missing(f"{name}: there is no {FOLDERS[name]} in {data_folder}")
        for download in DOWNLOADS.get(name, ()):
            for file in download.files:
                if not (data_folder / file.path).exists():
                    missing(f"{name}: there is no {file.path} in {data_folder}")
        monkeypatch.setenv("RESLAB_DATA", str(data_folder))
        return data_folder

    return require


@pytest.fixture
def mini(
    require_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """imagenette-mini, under a data folder of the test's own beside all that lies in the real one:
    what is found out (a hidden folder) stays there."""
    data = tmp_path / "data"
    data.mkdir()
    for real in require_data("imagenette_mini").glob("[!.]*"):
        (data / real.name).symlink_to(real)
    monkeypatch.setenv("RESLAB_DATA", str(data))
    return data / "imagenette-mini"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with packed data sets and foreign weights that lies beside the checkout."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        missing(f"there is no {folder}")
    return folder
