"""`trionet evaluate` and `trionet predict`: what is said is what the network does."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.helpers.tiny import digit_folder, small_splits
from trionet_nni.cli import main
from trionet_nni.export.evaluate import evaluate
from trionet_nni.export.load import load
from trionet_nni.export.predict import pictures, predict
from trionet_nni.files.atomic import write_tensors
from trionet_nni.training.evaluate import network_input, scores


@pytest.fixture(autouse=True)
def _search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command puts folders on the path; take them off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def network_folder(network_folder: Path) -> Path:
    """A network that knows something: its last layer is fitted to the test images."""
    network, images = load(network_folder), small_splits().test
    with torch.inference_mode():
        x = network_input(images, slice(0, len(images)), torch.device("cpu"))
        features = network.stages(network.stem(x)).mean((2, 3))
    ones = torch.cat([features, torch.ones(len(features), 1)], 1)
    wanted = torch.nn.functional.one_hot(images.labels, 10).float()
    some = torch.arange(len(images)) % 5 < 2  # of every class a few: neither none nor all are right
    found = torch.linalg.lstsq(ones[some], 10 * wanted[some], driver="gelsd").solution
    state = load_file(network_folder / "weights.safetensors")
    state["classifier.weight"], state["classifier.bias"] = found[:-1].T.contiguous(), found[-1]
    write_tensors(network_folder / "weights.safetensors", state)
    return network_folder


def test_evaluate_says_what_the_network_does(
    network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(network_folder)]) == 0
    images, network = small_splits().test, load(network_folder)
    wanted = scores(network, images)
    assert 0.2 < wanted.accuracy < 1
    output = capsys.readouterr()
    assert f"accuracy {wanted.accuracy:.4f}, loss {wanted.loss:.4f} on 50 images" in output.out
    out = network_folder / "evaluations" / "supernet-test"
    assert f"Written: {out / 'result.json'} {out / 'confusion.csv'} {out / 'confusion.png'}" in output.out
    result = json.loads((out / "result.json").read_text())
    assert result["accuracy"] == wanted.accuracy and result["images"] == 50
    with torch.inference_mode():
        taken = network(images.normalized(slice(None))).argmax(1)
    rows = list(csv.reader((out / "confusion.csv").open(encoding="utf-8")))
    assert rows[0][1:] == list(network.classes) == [row[0] for row in rows[1:]]
    counts = torch.zeros(10, 10, dtype=torch.int64)
    for label, answer in zip(images.labels.tolist(), taken.tolist(), strict=True):
        counts[label, answer] += 1
    assert [[int(number) for number in row[1:]] for row in rows[1:]] == counts.tolist()
    for number, name in enumerate(network.classes):
        assert result["classes"][name]["images"] == 5
        assert result["classes"][name]["accuracy"] == int(counts[number, number]) / 5
    with Image.open(out / "confusion.png") as picture:
        assert min(picture.size) > 200


def test_a_folder_of_the_same_pictures_gives_the_same(network_folder: Path, tmp_path: Path) -> None:
    own = evaluate(network_folder)
    for data in (digit_folder(), digit_folder() / "test"):
        found = evaluate(network_folder, data=data)
        assert torch.equal(found.confusion.counts, own.confusion.counts)
        assert found.confusion.loss == pytest.approx(own.confusion.loss)
    for name in ("digit3", "digit7"):  # some of the classes
        shutil.copytree(digit_folder() / "test" / name, tmp_path / "two" / name)
    two = evaluate(network_folder, data=tmp_path / "two")
    assert [one.name for one in two.per_class] == ["digit3", "digit7"]
    assert torch.equal(two.confusion.counts[[3, 7]], own.confusion.counts[[3, 7]])


def test_another_size_is_measured_and_told(
    network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(network_folder), "--size", "40"]) == 0
    assert "images of 40 × 40 pixels for a network trained at 28 × 28" in capsys.readouterr().err


def test_predictions_are_the_networks(network_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test, table = digit_folder() / "test", network_folder / "tables" / "found.csv"
    single = test / "digit3" / "000.png"
    assert main(["predict", str(network_folder), str(single), str(test), "--csv", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 51
    network, images = load(network_folder), small_splits().test
    with torch.inference_mode():
        shares = network(images.normalized(slice(None))).softmax(1)
    for number, (row, line) in enumerate(zip(rows[1:], lines[1:], strict=True)):
        assert row["class"] == network.classes[int(shares[number].argmax())]
        assert float(row["probability"]) == pytest.approx(float(shares[number].max()), abs=1e-5)
        assert line == f"{row['picture']}: {row['class']} ({float(row['probability']):.4f})"
    assert rows[0] in rows[1:]
    assert predict(network, pictures([single]))[0].name == rows[0]["class"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["evaluate", "{}", "--data", "nowhere"], "nowhere: data.root: cannot be read"),
        (["evaluate", "{}", "--weights", "best"], "weights: found 'best', allowed: best available"),
        (["evaluate", "{}", "--weights", "finetuned"], "weights: found no finetuned.safetensors"),
        (["evaluate", "{}", "--weights", "none.safetensors"], "none.safetensors: cannot be read"),
        (["evaluate", "{}", "--size", "4"], "evaluate: --size: image_size: found 4, allowed: "),
        (["evaluate", "nowhere"], "nowhere/card.json: cannot be read"),
        (["predict", "{}", "nothing.png"], "nothing.png: picture: found no file, allowed: a picture or"),
        (["predict", "{}", "{}/runs"], "runs: pictures: found none, allowed: files ending in .bmp"),
        (["predict", "{}", "{}/card.md"], "card.md: image: found none"),
        (["predict", "{}", "{}/card.md", "--csv", "{}"], "--csv: found a folder, allowed: a file"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    network_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    (network_folder / "runs").mkdir()
    before = sorted(network_folder.rglob("*"))
    assert main([argument.format(network_folder) for argument in arguments]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said
    assert sorted(network_folder.rglob("*")) == before


def test_classes_that_the_network_does_not_know(
    network_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("digit3", "cat"):
        shutil.copytree(digit_folder() / "test" / "digit3", tmp_path / "data" / name)
    assert main(["evaluate", str(network_folder), "--data", str(tmp_path / "data")]) == 2
    assert "class folders: found 'cat', allowed: digit0, digit1" in capsys.readouterr().err


_CORE_ALONE = """
import sys
for name in ("nni", "pytorch_lightning", "lightning", "torchmetrics", "matplotlib", "scipy", "mlxtend",
             "psutil", "spaces", "strategies"):
    sys.modules[name] = None  # importing it raises
from trionet_nni.cli import main
folder, data, picture = sys.argv[1:]
assert main(["evaluate", folder]) == 0
assert main(["evaluate", folder, "--data", data]) == 0
assert main(["predict", folder, picture]) == 0
"""


def test_the_core_packages_are_enough(network_folder: Path, tmp_path: Path) -> None:
    data = digit_folder() / "test"
    arguments = [str(network_folder), str(data), str(data / "digit3" / "000.png")]
    done = subprocess.run(
        [sys.executable, "-c", _CORE_ALONE, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "confusion.png: not drawn without matplotlib: pip install 'trionet-nni[report]'" in done.stderr
    assert "confusion.csv" in done.stdout and "000.png: digit" in done.stdout
