"""Fine-tuning on other images: what fits is taken over, what does not is drawn anew and said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.tiny import write_digits
from tests.helpers.tiny_experiment import exported
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.inherit import inherit
from trionet_nni.export.load import load
from trionet_nni.export.retrain import retrain
from trionet_nni.export.settings import read_config
from trionet_nni.export.transfer import transfer
from trionet_nni.network.trionet import TrioNet


@pytest.fixture(autouse=True)
def _search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command puts folders on the path; take them off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Three classes of pictures, 8 to train on and 3 to test with."""
    write_digits(tmp_path / "other" / "train", 8, classes=3)
    write_digits(tmp_path / "other" / "test", 3, skip=30, classes=3)
    return tmp_path / "other"


@pytest.mark.parametrize("size", [16, 28, 44])
def test_at_another_size_it_is_the_network_it_was(size: int) -> None:
    """The tables fitted once give what the network itself gives for images of that size."""
    for row in exported():
        source = load(row.folder, "supernet")
        network = TrioNet(row.evaluation.architecture, classes=10, channels=3, image_size=size)
        inherited = inherit(network, row.folder / "weights.safetensors", same_classes=True)
        axial = any(block.operator == "axial" for stage in source.architecture.stages for block in stage)
        assert (inherited.fitted > 0) == (size != 28 and axial) and inherited.new == ()
        with torch.inference_mode():
            x = torch.randn(2, 3, size, size)
            torch.testing.assert_close(network.eval()(x), source(x), rtol=1e-4, atol=1e-4)


def test_new_head_and_size(
    network_folder: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["finetune", str(network_folder), "--data", str(other), "-o", str(out), "--size", "40"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if "drawn anew" in line]
    assert "weights.safetensors; drawn anew: the classifier" in line
    assert "batches of 24 instead of 32" in said.err
    card, before = read_card(out), read_card(network_folder)
    assert (card.classes, card.channels, card.image_size) == (3, 3, 40)
    assert card.class_names == ["digit0", "digit1", "digit2"]
    assert card.architecture == before.architecture
    assert card.origin["drawn anew"] == "the classifier"
    assert card.origin["fine-tuned from"].startswith(f"{before.name}, weights.safetensors ")
    assert card.trained.keys() == {"finetuned"} and card.trained["finetuned"].images == 9
    text = (out / "card.md").read_text(encoding="utf-8")
    assert "| drawn anew | the classifier |" in text and "| finetuned weights | accuracy" in text
    network = load(out)
    with torch.inference_mode():
        assert network(network.preprocess(other / "test" / "digit2" / "000.png")[None]).shape == (1, 3)
    old, new = load_file(network_folder / "weights.safetensors"), load_file(out / "transferred.safetensors")
    taken = [name for name in old if not name.startswith("classifier.") and not name.endswith(".table")]
    assert all(torch.equal(old[name], new[name]) for name in taken) and len(taken) > 10
    tables = [name for name in old if name.endswith(("height.table", "width.table"))]
    fitted = sum(old[name].shape != new[name].shape for name in tables)
    assert card.origin.get("position tables") == (
        f"{fitted} fitted from 28 to 40 pixels" if fitted else None
    )
    assert main(["evaluate", str(out)]) == 0
    assert retrain(out, progress=False)["images"] == 9  # a folder as any other


def test_another_number_of_channels(network_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    transfer(network_folder, "digits", out, progress=False, stop_after_steps=1)
    card = read_card(out)
    assert (card.channels, card.classes) == (1, 10)
    assert card.origin["drawn anew"] == "the classifier, the stem's convolution"
    assert "position tables" not in card.origin
    with pytest.raises(InputError, match="weights: found no retrained"):
        load(out)  # what it began with is no network of use


def test_an_interrupted_one_goes_on(network_folder: Path, other: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    document = (network_folder / "retrain.yml").read_text()
    (network_folder / "retrain.yml").write_text(document.replace("epochs: 1.0", "epochs: 3.0"))
    result = transfer(network_folder, str(other), whole, progress=False)
    assert not transfer(network_folder, str(other), parts, progress=False, stop_after_steps=1)["complete"]
    again = transfer(network_folder, str(other), parts, progress=False)
    assert (again["resumed_from"], again["steps"]) == (1, result["steps"])
    names = ("finetuned.safetensors", "transferred.safetensors")
    assert all((whole / name).read_bytes() == (parts / name).read_bytes() for name in names)


def test_settings_may_be_changed(network_folder: Path, other: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", str(network_folder)
    changes = ["--set", "finetune.epochs=2", "--set", "finetune.batch_size=8"]
    assert main(["finetune", folder, "--data", str(other), "-o", str(out), *changes]) == 0
    assert read_config(out / "retrain.yml").finetune.epochs == 2
    assert read_card(out).trained["finetuned"].steps == 2 * 24 // 8


def test_folders_are_not_mixed_up(network_folder: Path, other: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in network_folder.iterdir()}
    for out in (network_folder, network_folder / ".." / "network"):
        with pytest.raises(InputError, match="-o: found the network's own folder"):
            transfer(network_folder, str(other), out, progress=False)
    assert before == {path: path.read_bytes() for path in network_folder.iterdir()}
    transfer(network_folder, str(other), tmp_path / "out", progress=False, stop_after_steps=1)
    with pytest.raises(InputError, match="-o: found another network, or one of other images"):
        transfer(network_folder, str(other), tmp_path / "out", size=32, progress=False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--data", "other"], "finetune: --data: found no -o"),
        (["-o", "out"], "finetune: --out: found out without --data"),
        (["--size", "40"], "finetune: --size: found 40 without --data"),
        (
            ["--data", "digits", "-o", "out", "--set", "cache=x"],
            "allowed: fields of data, retrain, finetune",
        ),
        (["--data", "digits", "-o", "out", "--set", "finetune.epochs=-1"], "finetune.epochs: found -1"),
        (["--data", "nowhere", "-o", "out"], "nowhere: data.root: cannot be read"),
        (["--data", "folder", "-o", "out"], "finetune: --data: found 'folder', which is no folder here"),
        (["--data", "digits", "-o", "out", "--size", "4"], "finetune: image_size: found 4, allowed: "),
        (
            ["--data", "digits", "-o", "out", "--weights", "x"],
            "weights: found 'x', allowed: best available",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(
    network_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    line: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["finetune", str(network_folder), *arguments]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said
    assert not list((tmp_path / "here").glob("[!.]*"))  # but for a lock


def test_weights_of_another_architecture(network_folder: Path, other: Path, tmp_path: Path) -> None:
    file = exported()[1].folder / "weights.safetensors"
    with pytest.raises(InputError, match="found another network's weights"):
        transfer(network_folder, str(other), tmp_path / "out", weights=str(file), progress=False)
