"""`--set` and `--minutes` on the command line: what is recorded, what is gone on with, and the hints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.checkout import ROOT
from tests.helpers.tiny import digit_folder
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.experiment.open import open_experiment
from trionet_nni.export.settings import NAME, RetrainConfig, change_config, read_config, write_config
from trionet_nni.nnictl.terminal import launch
from trionet_nni.nnictl.terminal.launch import Experiment
from trionet_nni.plan.measure import Timings
from trionet_nni.segmentation.file import read_config as read_segmentation
from trionet_nni.settings.changes import parse_changes
from trionet_nni.settings.project import DataConfig, RecipeConfig


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """The files that nnictl was given, and their searches' marks; nothing is started."""
    found: list[tuple[Path, str]] = []

    def create(path: Path, *_: Any, environment: dict[str, str], **__: Any) -> Experiment:
        found.append((path, *environment.values()))
        raise RuntimeError("started enough")

    monkeypatch.setattr(launch, "create", create)
    measured = Timings("cpu", 0.5, 0.5, 0.1, 0.1, 1e9, 32, 10**6, 10**6)
    monkeypatch.setattr("trionet_nni.plan.plan.measure", lambda *arguments: measured)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = (ROOT / "experiments" / "mine.yml").read_text()
    text = text.replace("datasets/mine", str(digit_folder())).replace(": ..\n", f": {ROOT}\n")
    path = tmp_path / "mine.yml"
    path.write_text(
        text.replace("../runs", str(tmp_path / "runs")).replace("max_flops: 2.0e+7", "max_flops: 3e7")
    )
    return path


def search(file: Path, *options: str) -> int:
    return main(["search", str(file), *options])


def test_what_was_set_is_in_the_file_that_runs(file: Path, created: list[tuple[Path, str]]) -> None:
    assert search(file) == 1 and created[-1][0] == file  # without options it is the user's own file
    options = ("--set", "search.population=9", "--set", "trialConcurrency=1")
    assert search(file, *options) == search(file, *options) == 1
    (path, mark), (again, same), plain = created[-1], created[-2], created[0][1]
    assert (path, mark) == (again, same) and mark != plain  # the same command is the same search
    run = open_experiment(path)
    assert run.config.search.population == 9 and run.settings["trialConcurrency"] == 1


def test_minutes_set_the_schedule_and_are_written_down(
    file: Path, created: list[tuple[Path, str]], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert search(file, "--minutes", "10") == 1
    path, mark = created[-1]
    run = open_experiment(path)
    steps = run.config.supernet.recipe.steps
    assert run.config.search.finalists is None and steps is not None and steps > 300
    assert run.settings["maxTrialNumber"] > 1 and "no finalists" in path.read_text()
    assert f"--minutes 10 on cpu: {steps:,} steps of the supernet" in path.read_text()
    assert f"{steps:,} steps of the supernet" in capsys.readouterr().out.replace("\n", " ")
    slower = Timings("cpu", 0.9, 0.5, 0.1, 0.1, 1e9, 32, 10**6, 10**6)
    monkeypatch.setattr("trionet_nni.plan.plan.measure", lambda *arguments: slower)
    assert search(file, "--minutes", "10") == 1
    assert created[-1][1] == mark  # a machine that is busier now goes on with the same search
    assert search(file, "--minutes", "40") == 1
    finalists = open_experiment(created[-1][0]).config.search.finalists
    assert finalists is not None and finalists.steps >= 2000


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "0.01"])
def test_no_time_is_one_line(
    file: Path, created: list[tuple[Path, str]], capsys: Any, minutes: str
) -> None:
    assert search(file, "--minutes", minutes) == 2
    said = capsys.readouterr().err
    assert said.startswith("trionet: --minutes: found ") and said.count("\n") == 1 and not created


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["retrain", "out/1", "--epochs", "1"], "--set retrain.epochs=1"),
        (["finetune", "out/1", "--learning-rate=0.1"], "--set finetune.learning_rate=0.1"),
        (["search", "a.yml", "--population", "50"], "--set search.population=50"),
        (["search", "a.yml", "--batch-size", "8"], "--set supernet.recipe.batch_size=8 or --set retrain"),
        (["plan", "a.yml", "--nonsense"], "see trionet plan --help"),
        (["count", "resnet-26", "--epochs", "1"], "see trionet count --help"),
    ],
)
def test_an_option_that_there_is_not_gets_a_hint(arguments: list[str], allowed: str, capsys: Any) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"trionet: {arguments[0]}: found '--") and said.count("\n") == 1
    assert f"allowed: {allowed}" in said


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    recipe = RecipeConfig(epochs=3, warmup=0.1)
    write_config(tmp_path, RetrainConfig(data=DataConfig(), retrain=recipe, finetune=recipe))
    return tmp_path / NAME


def test_retraining_with_other_settings_writes_them_down(exported: Path) -> None:
    before = read_config(exported)
    found = change_config(exported, "retrain", parse_changes(["retrain.epochs=1", "data.workers=0"]))
    assert read_config(exported) == found
    assert (found.retrain.epochs, found.data.workers) == (1, 0) and found.finetune == before.finetune


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("retrain.epochs=-1", "{file} with --set retrain.epochs=-1: retrain.epochs: found -1, allowed: "),
        ("retrain.lr=1", "{file} with --set retrain.lr=1: retrain.lr: found 1, allowed: no such key"),
        ("data.seed=1", "--set data.seed=1: found data.seed, allowed: fields of retrain, e.g. "),
        ("finetune.epochs=1", "--set finetune.epochs=1: found finetune.epochs, allowed: fields of retrain"),
    ],
)
def test_a_change_that_does_not_fit_leaves_the_file_alone(
    exported: Path, change: str, message: str
) -> None:
    before = exported.read_bytes()
    with pytest.raises(InputError) as said:
        change_config(exported, "retrain", parse_changes([change]))
    assert str(said.value).startswith(message.format(file=exported)) and "\n" not in str(said.value)
    assert exported.read_bytes() == before


def test_a_segmentation_run_takes_changes_too(tmp_path: Path) -> None:
    document = {"task": "semantic", "backbone": {"network": "resnet-50"}, "data": {"root": "."}}
    path = tmp_path / "a.yml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(document))))
    found = read_segmentation(path, parse_changes(["recipe.iterations=7"]))
    assert found.recipe.iterations == 7
    with pytest.raises(InputError) as said:
        read_segmentation(path, parse_changes(["recipe.iterations=0"]))
    start = f"{path} with --set recipe.iterations=0: recipe.iterations: found 0, allowed: "
    assert str(said.value).startswith(start)
