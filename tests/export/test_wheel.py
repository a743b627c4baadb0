"""The installed wheel alone: no checkout, and for a network no NNI, Lightning, spaces or strategies."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import trionet_nni
from tests.helpers.checkout import ROOT, copy_checkout
from tests.helpers.tiny import digit_folder
from tests.helpers.tiny_experiment import finished
from trionet_nni.export.best import export
from trionet_nni.settings.plugins import load_table

ABSENT = (
    "nni",
    "pytorch_lightning",
    "lightning",
    "torchmetrics",
    "tensorboard",
    "mlxtend",
    "psutil",
    "scipy",
    "matplotlib",
)
_ALONE = "import sys; sys.path = [{wheel!r}, *(path for path in sys.path if path and path != {root!r})]"
_COMMAND = "from trionet_nni.cli import main; sys.exit(main(sys.argv[1:]))"
_LOAD = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
sys.path = [{wheel!r}, *(path for path in sys.path if path and path != {root!r})]
import torch
import trionet_nni
from trionet_nni.data import load_splits
from trionet_nni.export.settings import read_config
from trionet_nni.training.evaluate import accuracy
from pathlib import Path

torch.set_num_threads(1)
assert trionet_nni.__file__.startswith({wheel!r}), trionet_nni.__file__
folder = Path({folder!r})
network = trionet_nni.load(folder)
images = torch.load(folder / "images.pt", weights_only=True)
with torch.inference_mode():
    torch.save(network(images), folder / "logits.pt")
splits = load_splits(read_config(folder / "retrain.yml").data, folder / "cache")
print("accuracy", accuracy(network, splits.test), "on", len(splits.test))

from trionet_nni.cli import main

assert main(["evaluate", str(folder)]) == 0
assert (folder / "evaluations/supernet-test/confusion.csv").exists()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents, built from a copy of the checkout."""
    source = copy_checkout(tmp_path_factory.mktemp("source"))
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (file,) = out.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(out / "installed")
    return out / "installed"


def test_it_holds_the_library_alone(wheel):
    tops = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"trionet_nni"}
    assert (wheel / "trionet_nni/nnictl/loopback.cjs").exists()
    assert list((wheel / "trionet_nni/operators/layers/native").glob("*.cpp"))


def trionet(wheel: Path, folder: Path, *arguments: str) -> str:
    """What a command of the installed wheel prints, called in a folder."""
    code = f"{_ALONE.format(wheel=str(wheel), root=str(ROOT))}; {_COMMAND}"
    command = [sys.executable, "-I", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_new_brings_spaces_strategies_and_experiments_along(wheel: Path, tmp_path: Path) -> None:
    made = trionet(wheel, tmp_path, "new", "mine", "--data", str(digit_folder()))
    assert "yours to change: spaces/, strategies/, and experiments/" in made
    for name in ("spaces", "strategies", "experiments"):
        listed = {path.name for path in (ROOT / name).iterdir() if path.suffix in (".py", ".yml", ".json")}
        assert {path.name for path in (tmp_path / "mine" / name).iterdir()} == listed
    # They are the ones that count from now on, and the folder may be moved.
    moved = (tmp_path / "mine").rename(tmp_path / "moved")
    (moved / "spaces" / "tiny.py").rename(moved / "spaces" / "small.py")
    said = trionet(wheel, tmp_path, "space", str(moved / "experiment.yml"), "--json")
    assert json.loads(said)["architectures"] == load_table("spaces.tiny").architectures


def test_an_experiment_beside_others_uses_what_is_there(wheel: Path, tmp_path: Path) -> None:
    trionet(wheel, tmp_path, "new", "mine", "--data", str(digit_folder()))
    trionet(wheel, tmp_path / "mine", "new", "second", "--data", str(digit_folder()))
    assert [path.name for path in (tmp_path / "mine" / "second").iterdir()] == ["experiment.yml"]
    text = (tmp_path / "mine" / "second" / "experiment.yml").read_text()
    assert f"codeDirectory: {tmp_path / 'mine'}\n" in text


def test_the_papers_figures_need_no_folder(wheel: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in trionet(wheel, tmp_path, "verify", "--json").splitlines()]
    assert {"agrees"} < {row["verdict"] for row in rows}


def test_it_loads_and_evaluates_without_nni_lightning_spaces_and_strategies(wheel, tmp_path):
    folder = export(finished().root, 1, tmp_path / "out")[0].folder
    images = torch.randn(8, 3, 28, 28)
    torch.save(images, folder / "images.pt")
    absent = {*ABSENT, "spaces", "strategies"}
    code = _LOAD.format(absent=absent, wheel=str(wheel), root=str(ROOT), folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert "on 50" in done.stdout
    with torch.inference_mode():
        here = trionet_nni.load(folder)(images)
    torch.testing.assert_close(torch.load(folder / "logits.pt", weights_only=True), here)
