"""The supernet's trial sees all cards of its experiment where it wants several; any other keeps its own."""

from __future__ import annotations

import os

import pytest

from trionet_nni.nnictl.candidate.cards import take_cards
from trionet_nni.nnictl.manager.rest import Manager


@pytest.mark.parametrize(
    ("devices", "service", "seen"),
    [
        (1, {}, "2"),
        (4, {"platform": "local"}, None),
        (2, {"platform": "local", "gpuIndices": [1, 3]}, "1,3"),
        (2, {"platform": "local", "gpuIndices": "0,3"}, "0,3"),
        (2, {"platform": "local", "gpuIndices": 0}, "0"),
    ],
)
def test_what_it_sees(
    monkeypatch: pytest.MonkeyPatch, devices: int, service: dict[str, object], seen: str | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", "http://127.0.0.1:8080/env/local-env/abc")
    monkeypatch.setattr(Manager, "profile", lambda self: {"params": {"trainingService": service}})
    take_cards(devices)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen


def test_without_nni_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNI_TRIAL_COMMAND_CHANNEL", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    take_cards(4)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
