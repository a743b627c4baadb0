"""`trionet fidelity`: which networks it takes, what it trains, and its τ."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.jobs import run_here
from tests.helpers.tiny_experiment import finished
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.operators.conv import Conv
from trionet_nni.reproduce.fidelity import choose, open_fidelity
from trionet_nni.reproduce.jobs import Job
from trionet_nni.reproduce.statistics import rank_correlation
from trionet_nni.settings.plugins import load_table
from trionet_nni.supernet.results import Evaluation, ResultsStore


def store_of(folder: Path, count: int) -> ResultsStore:
    """Networks of 1 to `count` MFLOPs; the dearer the better, but every third one is poor."""
    store, blocks = ResultsStore(folder, "accuracy"), load_table("spaces.small").blocks
    for number in range(1, count + 1):
        network = Architecture("trionet-small", ((blocks[number],), (Conv(0.25, 3),), (Conv(0.25, 3),)))
        accuracy = 0.1 if number % 3 == 0 else number / 100
        store.add(Evaluation(network, accuracy, 100, number * 10**6, 1000, 0.1))
    return store


@pytest.mark.parametrize("count", [4, 12, 13, 20])
def test_networks_are_spread_and_not_all_on_the_front(tmp_path: Path, count: int) -> None:
    store = store_of(tmp_path, 40)
    chosen = choose(store, count)
    assert len({one.architecture.hash for one in chosen}) == count
    assert [one.flops for one in chosen] == sorted(one.flops for one in chosen)
    assert chosen[0].flops <= 6e6 and chosen[-1].flops >= 38e6
    front = {one.architecture.hash for one in store.pareto()}
    assert any(one.architecture.hash in front for one in chosen)


def test_equal_costs_are_no_error(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path, "accuracy")
    for one in store_of(tmp_path / "other", 8).all():
        store.add(Evaluation(one.architecture, 0.5, 100, 10**6, 1000, 0.1))
    assert len(choose(store, 4)) == 4


def test_too_few_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 3 networks between the ends"):
        choose(store_of(tmp_path, 3), 4)
    with pytest.raises(InputError, match="found 0 networks"):
        choose(ResultsStore(tmp_path / "none", "accuracy"), 4)


def test_tau_is_kendalls_and_its_interval_holds_it() -> None:
    perfect = rank_correlation([1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12])
    assert (perfect.tau, perfect.low, perfect.high) == pytest.approx((1, 1, 1))
    assert rank_correlation([1, 2, 3, 4], [1, 2, 4, 3]).tau == pytest.approx(4 / 6)  # one pair of six
    mixed = rank_correlation([1, 2, 3, 4, 5, 6], [1, 3, 2, 6, 4, 5])
    assert mixed.low < mixed.tau < mixed.high <= 1
    assert mixed == rank_correlation([1, 2, 3, 4, 5, 6], [1, 3, 2, 6, 4, 5])  # a fixed seed


@pytest.mark.filterwarnings("error")
def test_resamples_that_rank_nothing_do_not_spoil_the_interval() -> None:
    """Of four pairs one resample in 64 is four times the same pair; with ties more of them rank nothing."""
    for pairs in ([1, 2, 3, 4], [1, 3, 2, 4]), ([1, 1, 1, 2], [1, 2, 3, 4]):
        found = rank_correlation(*pairs)
        assert -1 <= found.low <= found.tau <= found.high <= 1
    nothing = rank_correlation([1, 1, 1, 1], [1, 2, 3, 4])
    assert nothing.tau != nothing.tau and nothing.low != nothing.low


def experiment(folder: Path) -> Path:
    """The tiny experiment, with accuracies that put every network on the Pareto front."""
    root = folder / "copy0001"
    shutil.copytree(finished().root, root)
    store = ResultsStore(root / "trionet" / "evaluations", "loss")
    for rank, one in enumerate(sorted(store.all(), key=lambda one: one.flops)):
        store.add(replace(one, accuracy=0.1 + rank / 10, loss=1 / (1 + rank)))
    return root


def test_it_trains_from_scratch_and_reports(tmp_path: Path, monkeypatch: Any) -> None:
    """The real command on evaluated networks of a tiny search."""
    trained: list[Job] = []

    def run(jobs: list[Job], working: Path, *_: Any) -> None:
        trained.extend(run_here(jobs, working))

    monkeypatch.setattr("trionet_nni.reproduce.fidelity.LEAST", 2)
    monkeypatch.setattr("trionet_nni.reproduce.fidelity.run_jobs", run)
    root, out = experiment(tmp_path), tmp_path / "out"
    arguments = [str(root), "--networks", "2", "--jobs", "2", "-o", str(out)]
    assert main(["fidelity", *arguments]) == 0
    text = (out / "fidelity.md").read_text(encoding="utf-8")
    assert "Kendall's τ" in text and (out / "fidelity.png").read_bytes().startswith(b"\x89PNG")
    fidelity = open_fidelity(str(root), 2, 1)
    for one, spread in zip(fidelity.chosen, fidelity.retrained(), strict=True):
        result = fidelity.trainings(one)[0].result(fidelity.working)
        assert result is not None and result["split"] == "test" and result["accuracy"] == spread.mean
        assert f"{100 * spread.mean:.1f}" in text
    assert main(["fidelity", *arguments]) == 0  # again: nothing is trained
    assert len(trained) == 2


@pytest.mark.parametrize("arguments", [["none"], [".", "--networks", "3"], [".", "--seeds", "0"]])
def test_wrong_input_is_one_line(arguments: list[str], capsys: Any) -> None:
    assert main(["fidelity", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
