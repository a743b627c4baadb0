"""Networks side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers.tiny_experiment import exported
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def test_blocks_that_differ_are_shown_and_costs_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(row.folder) for row in exported()[:2]]
    assert main(["compare", *folders]) == 0
    text = capsys.readouterr().out
    for row in exported()[:2]:
        card = json.loads((row.folder / "card.json").read_text())
        assert f"{card['flops']:,}" in text and f"{card['params']:,}" in text
    assert "not measured" in text and re.search(r"stage \d, block \d", text)


def test_hand_designed_networks_are_compared_at_their_own_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "axial-26", "axial-38"]) == 0
    text = capsys.readouterr().out
    for name in ("axial-26", "axial-38"):
        assert f"{CostModel()(BASELINES[name]).flops:,}" in text
    shared = sum(map(min, *(BASELINES[name].depths for name in ("axial-26", "axial-38"))))
    assert f"The same in all of them: {shared} blocks." in text


def test_a_name_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "axial-26", str(tmp_path)]) == 2
    assert "card.json" in capsys.readouterr().err
