"""`trionet latency`: every backend is timed, and what is said of a network is its own."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch

from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.export.deploy.latency import latency
from trionet_nni.export.load import load


@pytest.mark.parametrize(
    "backend", ["torch", "onnxruntime", pytest.param("compile", marks=pytest.mark.slow)]
)
def test_every_backend_times_networks_that_do_the_same(
    backend: str, network_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "compile" and shutil.which("g++") is None:
        pytest.skip("no C++ compiler, which torch.compile needs")
    monkeypatch.setenv("COLUMNS", "200")
    batches = [3] if backend == "compile" else [1, 3]  # to compile one takes more than a minute
    typed = ["latency", str(network_folder), "--backend", backend, "--seconds", "0.01", "--batch"]
    typed += map(str, batches)
    assert main([*typed, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["batch"] for one in found] == batches
    for one in found:
        assert 0 < one["p50"] <= one["p90"] and one["rounds"] >= 21
        assert one["throughput"] == pytest.approx(1e3 * one["batch"] / one["p50"])
        assert (one["network"], one["backend"], one["threads"]) == (str(network_folder), backend, 1)


def test_names_stand_beside_folders_with_their_flops(
    network_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["latency", str(network_folder), "resnet-18", "--seconds", "0.01"]) == 0
    text = capsys.readouterr().out
    assert f"{CostModel()(BASELINES['resnet-18']).flops / 1e6:,.1f}" in text
    assert f"{json.loads((network_folder / 'card.json').read_text())['flops'] / 1e6:,.1f}" in text


def test_a_network_that_does_more_takes_longer() -> None:
    layers = {
        name: torch.nn.Conv2d(32, 32, kernel, padding=kernel // 2) for name, kernel in (("a", 1), ("b", 9))
    }
    networks = {name: (layer, (32, 64, 64)) for name, layer in layers.items()}
    small, large = latency(networks, [4], seconds=0.05)
    assert small.p50 < large.p50  # by a factor of tens


class Noted(torch.nn.Module):
    """Writes down when it runs."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self.name, self.notes = name, notes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.notes.append(self.name)
        time.sleep(0.003 if self.name == "slow" else 0)
        return x


def test_every_round_has_all_networks_in_an_order_of_its_own() -> None:
    notes: list[str] = []
    names = ["a", "slow", "b"]
    found = latency({name: (Noted(name, notes), (1, 2, 2)) for name in names}, [1], seconds=0.001)
    timed = notes[-found[0].rounds * len(names) :]
    rounds = [tuple(timed[at : at + len(names)]) for at in range(0, len(timed), len(names))]
    assert all(sorted(one) == sorted(names) for one in rounds)
    assert len(set(rounds)) == 6  # of 21 rounds or more
    assert [one.network for one in found] == names and max(found, key=lambda one: one.p50).network == "slow"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "0"], "--batch: found 0, allowed: a positive number"),
        (["--threads", "-1"], "--threads: found -1, allowed: a positive number"),
        (["--seconds", "nan"], "--seconds: found nan, allowed: a positive number"),
        (["resnet-19"], "nearest is resnet-18"),
    ],
)
def test_what_cannot_be_timed_is_one_line(
    arguments: list[str], message: str, network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", str(network_folder), *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_timing_leaves_the_network_as_it_was(network_folder: Path) -> None:
    network = load(network_folder)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    see = network.preprocess
    latency({"own": (network, (see.channels, see.image_size, see.image_size))}, [2], seconds=0.01)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
