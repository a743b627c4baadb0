"""Training runs: resumed = uninterrupted, bit for bit."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.tiny import RECIPE, fresh, network, same, small_splits
from trionet_nni.errors import InputError
from trionet_nni.network.trionet import TrioNet
from trionet_nni.training.checkpoints import NAME
from trionet_nni.training.evaluate import accuracy
from trionet_nni.training.fit import fit


def test_resumed_runs_equal_the_uninterrupted_one(uninterrupted: TrioNet, tmp_path: Path) -> None:
    start = 0
    for stop in (1, 5, 6, 10):  # within an epoch, at its end, at the end of the run
        torch.manual_seed(stop)  # nothing may depend on the global generator
        net = network(small_splits(), dropout=RECIPE.dropout) if start else fresh()
        result = fit(net, RECIPE, small_splits().train, tmp_path, progress=False, stop_after_steps=stop)
        assert (result["resumed_from"], result["steps"]) == (start, stop)
        start = stop
    assert same(net, uninterrupted)
    again = network(small_splits(), dropout=RECIPE.dropout)
    seconds = fit(again, RECIPE, small_splits().train, tmp_path, progress=False)["seconds"]
    assert same(again, uninterrupted)
    assert 0 < seconds <= result["seconds"]  # of the training, not of looking at it again


def test_a_crash_in_the_middle_of_a_step_is_resumed(uninterrupted: TrioNet, tmp_path: Path) -> None:
    net, calls = fresh(), []

    def crash(module: nn.Module, gradient: tuple[Tensor, ...], _: object) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise OSError("power cut")  # after the forward pass: BN statistics have moved

    net.classifier.register_full_backward_hook(crash)
    with pytest.raises(OSError, match="power cut"):
        fit(net, RECIPE, small_splits().train, tmp_path, progress=False, checkpoint_minutes=0)
    resumed = fresh()
    result = fit(resumed, RECIPE, small_splits().train, tmp_path, progress=False)
    assert result["resumed_from"] == 5
    assert same(resumed, uninterrupted)


def test_an_interruption_by_the_user_is_passed_on(tmp_path: Path) -> None:
    net = fresh()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    net.classifier.register_forward_hook(interrupt)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(net, RECIPE, small_splits().train, tmp_path, progress=False)
    assert signal.getsignal(signal.SIGINT) is handler


def test_progress_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(fresh(), RECIPE, small_splits().train, tmp_path, title="tiny", stop_after_steps=3)
    fit(fresh(), RECIPE, small_splits().train, tmp_path, title="tiny")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "tiny: step 3/10, loss" in captured.err
    assert "tiny: resuming from step 3 of 10" in captured.err
    assert "tiny: step 10/10, loss" in captured.err and "0:00 left" in captured.err
    assert list((tmp_path / "curves").glob("events.*"))


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    train = small_splits().train
    fit(fresh(), RECIPE, train, tmp_path, progress=False, stop_after_steps=1)
    other = RECIPE.model_copy(update={"learning_rate": 0.01})
    with pytest.raises(InputError, match="found a checkpoint of another network, recipe or data"):
        fit(fresh(), other, train, tmp_path, progress=False)
    whole = (tmp_path / NAME).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no checkpoint"):
        (tmp_path / NAME).write_bytes(damaged)
        with pytest.raises(InputError, match="found no readable checkpoint"):
            fit(fresh(), RECIPE, train, tmp_path, progress=False)


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"batch_size": 1000})
    with pytest.raises(InputError, match=r"^recipe\.batch_size: found 1000, allowed: up to the 160"):
        fit(fresh(), recipe, small_splits().train, tmp_path, progress=False)


def test_training_learns(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 5, "batch_size": 16, "dropout": 0.0, "augment": "none"})
    net = fresh()
    fit(net, recipe, small_splits().train, tmp_path, progress=False)
    assert accuracy(net, small_splits().train) > 0.4  # chance is 0.1


def test_a_users_own_warning_is_seen_and_lightnings_are_not(tmp_path: Path) -> None:
    net = fresh()
    net.register_forward_hook(lambda *_: warnings.warn("mine", FutureWarning, stacklevel=1))
    for stop in (1, 2):  # begun and resumed
        with pytest.warns(FutureWarning) as seen:
            fit(net, RECIPE, small_splits().train, tmp_path, progress=False, stop_after_steps=stop)
        assert {str(one.message) for one in seen} == {"mine"}
