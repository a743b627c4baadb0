"""Where curves go: each logger has the same numbers, and none of them changes what is trained."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.loggers import curves_logger


def test_a_logger_is_no_part_of_what_a_run_is() -> None:
    plain, other = RecipeConfig(), RecipeConfig(logger="csv")
    assert plain.identity() == other.identity() and "logger" not in plain.identity()


def test_curves_in_csv_and_the_same_weights(network_folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(network_folder, tmp_path / "other"))
    typed = ["--set", "retrain.steps=4", "--quiet"]
    assert main(["retrain", str(network_folder), *typed]) == 0
    assert main(["retrain", str(other), *typed, "--logger", "csv"]) == 0
    first, second = (load_file(folder / "retrained.safetensors") for folder in (network_folder, other))
    assert all((value == second[name]).all() for name, value in first.items())
    (file,) = other.rglob("metrics.csv")
    rows = list(csv.DictReader(file.open()))
    assert rows and any("loss" in name for name in rows[0])
    assert not list(other.rglob("events.out*")) and list(network_folder.rglob("events.out*"))


def test_a_logger_without_its_package_is_one_line(
    network_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        InputError, match="logger: found wandb without its package, allowed: after pip install"
    ):
        curves_logger("wandb", tmp_path, "curves")
    assert main(["retrain", str(network_folder), "--logger", "mlflow", "--set", "retrain.steps=4"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "found mlflow without its package" in said[-1]
