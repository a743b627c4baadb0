"""Loading an exported network, also where there is no NNI."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import trionet_nni
from tests.helpers.tiny import digit_folder, small_splits
from tests.helpers.tiny_experiment import exported
from trionet_nni.errors import InputError
from trionet_nni.export.load import load

_WITHOUT_NNI = """
import sys
for name in ("nni", "spaces", "strategies"):
    sys.modules[name] = None  # importing it raises
import torch, trionet_nni
torch.manual_seed(0)
network = trionet_nni.load(sys.argv[1])
assert not network.training
with torch.no_grad():
    print(network(torch.randn(2, 3, 28, 28)).tolist())
assert not [name for name in sys.modules if name.startswith("nni.")]
"""


_EVERYTHING_INSTALLED = """
import sys
import torch, trionet_nni
network = trionet_nni.load(sys.argv[1])
with torch.inference_mode():
    print(network.classes[network(network.preprocess(sys.argv[2])[None]).argmax()])
print(*{name.partition(".")[0] for name in sys.modules})
"""
# What only training, searching and reports need.
_NOT_TO_LOAD = {
    "pytorch_lightning",
    "lightning_fabric",
    "torchmetrics",
    "tensorboard",
    "nni",
    "psutil",
    "mlxtend",
    "matplotlib",
    "scipy",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported()[0].folder, tmp_path / "network"))


def test_it_loads_where_nni_cannot_be_imported(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_NNI, str(folder)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    torch.manual_seed(0)
    with torch.no_grad():
        wanted = load(folder)(torch.randn(2, 3, 28, 28))  # loading draws no random numbers
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), wanted)


def test_loading_and_predicting_imports_nothing_that_trains(folder: Path, tmp_path: Path) -> None:
    picture = next((digit_folder() / "test").rglob("*.png"))
    done = subprocess.run(
        [sys.executable, "-c", _EVERYTHING_INSTALLED, str(folder), str(picture)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    predicted, modules = done.stdout.splitlines()
    assert predicted in load(folder).classes
    assert not _NOT_TO_LOAD & set(modules.split())


def test_the_best_weights_there_are_or_those_asked_for(folder: Path) -> None:
    def bias(weights: str) -> float:
        return load(folder, weights).classifier.bias[0].item()  # type: ignore[arg-type]

    from safetensors.torch import load_file, save_file

    state = load_file(folder / "weights.safetensors")
    supernet = float(state["classifier.bias"][0])
    assert bias("best available") == supernet
    for kind, value in (("finetuned", 3.0), ("retrained", 5.0)):
        with pytest.raises(InputError, match=f"weights: found no {kind}.safetensors"):
            load(folder, kind)  # type: ignore[arg-type]
        save_file({**state, "classifier.bias": torch.full((10,), value)}, folder / f"{kind}.safetensors")
        assert bias("best available") == bias(kind) == value
    assert bias("supernet") == supernet
    with pytest.raises(InputError, match="weights: found 'best', allowed: best available, retrained"):
        load(folder, "best")  # type: ignore[arg-type]


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unusable_folders_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere' / 'card.json'}: cannot be read")
    weights, card = folder / "weights.safetensors", folder / "card.json"
    whole, text = weights.read_bytes(), card.read_text()
    weights.write_bytes(whole[: len(whole) // 2])
    assert refused(folder).startswith(f"{weights}: found no readable weights")
    weights.write_bytes(whole)
    more = {"classes": 11, "class_names": [str(number) for number in range(11)]}
    card.write_text(json.dumps({**json.loads(text), **more}))
    assert refused(folder).startswith(f"{weights}: found another network's weights")
    card.write_text(json.dumps({**json.loads(text), "colour": 1}))
    assert refused(folder).startswith(f"{card}: colour: found 1")
    card.write_text(text)
    shutil.copy(exported()[1].folder / "architecture.json", folder / "architecture.json")
    assert "as in card.json" in refused(folder)


def test_the_package_has_it_by_name() -> None:
    for _ in range(2):  # the second time the submodule has been imported
        assert trionet_nni.load is load


def test_inputs_are_normalized_as_the_card_says() -> None:
    from trionet_nni.export.card import read_card

    card = read_card(exported()[0].folder)
    pixels = small_splits().test.images[:3] / 255
    wanted = (pixels - torch.tensor(card.mean)[:, None, None]) / torch.tensor(card.std)[:, None, None]
    torch.testing.assert_close(small_splits().test.normalized(slice(0, 3)), wanted)
