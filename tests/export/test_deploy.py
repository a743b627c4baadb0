"""`trionet onnx`: a file for another runtime computes what the network does, and says how to use it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from tests.helpers.tiny import small_splits
from trionet_nni.cli import main
from trionet_nni.errors import RunFailed
from trionet_nni.export.deploy.check import check, refuse_another
from trionet_nni.export.load import load
from trionet_nni.training.evaluate import scores


@pytest.fixture(autouse=True)
def _search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command puts folders on the path; take them off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.slow
def test_an_onnx_file_is_the_network_for_any_batch_and_size(
    network_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "files" / "net.onnx"
    assert main(["onnx", str(network_folder), "-o", str(file), "--dynamic-size", "--int8"]) == 0
    network, session = load(network_folder), onnxruntime.InferenceSession(str(file))
    channels = network.preprocess.channels
    for batch, *side in ((1, 28, 28), (5, 28, 28), (2, 33, 24), (3, 45, 61)):
        x = torch.randn(batch, channels, *side, generator=torch.Generator().manual_seed(1))
        (found,) = session.run(["logits"], {"image": x.numpy()})
        with torch.inference_mode():
            wanted = network(x).numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())

    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(network.classes)
    assert json.loads(said["mean"]) == list(network.preprocess.mean) and said["input"] == "image"
    assert json.loads(said["architecture"]) == network.architecture.to_dict()

    output = capsys.readouterr().out
    reached = scores(network, small_splits().test)
    assert output.count(f"{reached.accuracy:.4f}") >= 2 and "net.int8.onnx" in output
    small = file.with_name("net.int8.onnx")
    assert small.stat().st_size < 0.75 * file.stat().st_size
    session = onnxruntime.InferenceSession(str(small))
    x = small_splits().test.normalized(slice(0, 32))
    (found,) = session.run(["logits"], {"image": x.numpy()})
    with torch.inference_mode():
        wanted = network(x).numpy()
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_a_program_of_torch_export_and_a_file_of_weights(network_folder: Path, tmp_path: Path) -> None:
    network = load(network_folder)
    side = network.preprocess.image_size
    x = torch.randn(3, network.preprocess.channels, side, side)
    assert main(["onnx", str(network_folder), "-o", str(tmp_path / "net.pt2")]) == 0
    told = {"classes": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=told)
    torch.testing.assert_close(program.module()(x), network(x), atol=1e-5, rtol=1e-4)
    assert json.loads(told["classes"]) == list(network.classes)

    assert main(["onnx", str(network_folder), "-o", str(tmp_path / "net.safetensors")]) == 0
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == list(network.classes)
        assert all(
            torch.equal(file.get_tensor(name), value) for name, value in network.state_dict().items()
        )


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["-o", "net.pth"], "net.pth: --format: found 'pth', allowed: onnx, pt2, safetensors"),
        (["-o", "net.pt2", "--int8"], "--int8: found pt2, allowed: with the format onnx"),
        (["-o", "net.onnx", "--weights", "best"], "weights: found 'best', allowed: "),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(
    network_folder: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["onnx", str(network_folder), *arguments]) == 2
    assert line in capsys.readouterr().err
    assert not Path(arguments[1]).exists()


def test_a_file_that_computes_something_else_is_no_success(network_folder: Path) -> None:
    network, other = load(network_folder), load(network_folder)
    with torch.no_grad():
        other.classifier.bias += 1
    path = network_folder / "weights.safetensors"
    side = (network.preprocess.channels, 28, 28)
    refuse_another(check(network, network, path, side, None))
    with pytest.raises(RunFailed, match="found logits that differ by"):
        refuse_another(check(network, other, path, side, None))
