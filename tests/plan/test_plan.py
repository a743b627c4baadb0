"""`trionet plan`: what it says is what a real run needs, and what cannot work is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from spaces.small import TABLE
from strategies.one_shot import train_supernet
from tests.helpers.architectures import random_architectures
from tests.helpers.checkout import ROOT
from tests.helpers.tiny import digit_folder, small_splits
from trionet_nni.cli import main
from trionet_nni.files.atomic import write_text
from trionet_nni.nnictl.candidate.shares import at_once, cores
from trionet_nni.plan.measure import Timings, _per_step, _retrain
from trionet_nni.plan.plan import make_plan
from trionet_nni.settings.project import load_experiment


def experiment(folder: Path, **changes: Any) -> Path:
    """experiments/mine.yml on small digits; changes of top-level or "section.field" names."""
    settings: dict[str, Any] = yaml.safe_load((ROOT / "experiments" / "mine.yml").read_text())
    settings |= {"experimentWorkingDirectory": str(folder / "runs"), "maxTrialNumber": 17}
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments["space"] = "spaces.tiny"
    arguments["data"] |= {"root": str(digit_folder()), "image_size": 16}
    arguments["data"] |= {"search_images": 40, "recalibration_images": 32}
    arguments["supernet"]["recipe"] |= {"steps": None, "epochs": 2, "batch_size": 16}
    arguments["search"]["max_flops"] = 2e6
    for name, value in changes.items():
        section, _, field = name.rpartition("__")
        (arguments[section] if section else settings)[field] = value
    path = folder / "experiment.yml"
    write_text(path, yaml.safe_dump(settings))
    return path


def test_it_says_what_a_real_run_needs(tmp_path: Path, capfd: Any) -> None:
    path = experiment(tmp_path)
    plan = make_plan(path, 1)
    assert plan.images["train"] == 160 and plan.images["test"] == 50 and plan.classes == 10
    assert plan.supernet_steps == 2 * 160 // 16
    assert (
        plan.retrain_steps == 4000
        and plan.candidates == 13
        and plan.workers == at_once(3) == min(3, cores())
    )
    assert plan.finalists == 3 and plan.finalist_steps == 3 * 2000
    assert 0 < plan.accepted["2000000"] < 1 and plan.reachable[0] < 2e6 < plan.reachable[1]
    assert plan.measured.memory > 1e8 and plan.duration > 0
    assert not (tmp_path / "runs" / "supernets").exists()  # only the cache is left behind
    assert capfd.readouterr().err == ""

    config = load_experiment(path)
    real = tmp_path / "runs" / "supernets" / "real"
    train_supernet(config, real, lambda point: None)
    files = ("supernet.safetensors", "last.ckpt", "last.ckpt", "last.ckpt")
    written = sum((real / name).stat().st_size for name in files)
    folder = tmp_path / "runs" / "supernets" / config.supernet_hash()
    assert plan.files[str(folder)] == pytest.approx(written, rel=0.1)


@pytest.mark.parametrize("seconds", [0.004, 0.1, 5.0])
def test_a_step_is_measured_beside_what_a_run_has_besides_its_steps(seconds: float) -> None:
    taken: list[int] = []

    def run(count: int) -> float:
        taken.append(count)
        loading = 20.0 if len(taken) == 1 else 3.0 + 0.3 * (len(taken) % 2)  # and the machine is not quiet
        return loading + seconds * count

    found, last = _per_step(run, 3)
    assert found == pytest.approx(seconds, rel=0.25) and last == taken[-1]
    assert len(taken) <= 7 and (taken[-1] - taken[1]) * seconds < 20


def test_a_training_that_is_measured_twice_is_trained_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once with all cores, once with a trial's: beside the first the second would have nothing to do."""
    folders: list[Path] = []

    def trained(*arguments: Any, **settings: Any) -> None:
        folders.append(arguments[3])
        assert not any(arguments[3].iterdir())
        (arguments[3] / "last.ckpt").touch()

    monkeypatch.setattr("trionet_nni.training.fit.fit", trained)
    config = load_experiment(ROOT / "experiments" / "quickstart.yml")
    (network,) = random_architectures(TABLE, 1)
    for _ in range(2):
        _retrain(config, network, small_splits().train, tmp_path, 3)
    assert len(set(folders)) == 2


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that needs no measuring."""
    measured = Timings("cpu", 1.0, 1.0, 0.5, 0.25, 1e9, 16, 10**6, 10**6)
    monkeypatch.setattr("trionet_nni.plan.plan.measure", lambda *arguments: measured)


def one_line(text: str) -> str:
    """A table's cells without their borders and line breaks."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.usefixtures("known")
def test_json_is_one_object_and_text_ends_with_the_next_command(tmp_path: Path, capsys: Any) -> None:
    path = experiment(tmp_path)
    assert main(["plan", str(path), "--steps", "1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    hours, elapsed, workers = data["hours"], data["elapsed_hours"], data["workers"]
    assert data["duration_hours"] == pytest.approx(sum(elapsed.values()))
    assert hours["finalists"] == pytest.approx(
        6_000 * 0.5 / 3600
    )  # 3 trainings, each with its share of cores
    assert elapsed["finalists"] == pytest.approx(-(-3 // workers) * 2_000 * 0.5 / 3600)
    assert elapsed["search"] == pytest.approx(hours["search"] / workers)
    assert hours["retraining one network"] == pytest.approx(4_000 * 0.25 / 3600)
    assert main(["plan", str(path), "--steps", "1"]) == 0
    said = capsys.readouterr().out
    assert "3 trainings, 6,000 steps in all (each 50 % of a retraining) of 0.50 s: " in one_line(said)
    few = ["--set", "search.finalists.steps=100"]
    assert main(["plan", str(path), "--steps", "1", *few]) == 0
    warning = "(each 2 % of a retraining, too short to rank networks) of 0.50 s: "
    assert warning in one_line(capsys.readouterr().out)
    assert said.strip().endswith(f"Next: trionet search {path}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search__max_flops": 1.0}, "search.max_flops: found 1, allowed: "),
        ({"data__root": "/none/such"}, "/none/such"),
        (
            {"trialGpuNumber": 99, "trainingService": {"platform": "local", "useActiveGpu": False}},
            "trialGpuNumber: found 99, allowed: up to the ",
        ),
        ({"retrain": {"batch_size": 5000}}, "retrain.batch_size: found 5000, allowed: up to the 160"),
        ({"supernet": {"recipe": {"batch_size": 161}}}, "batch_size: found 161, allowed: up to the 160"),
        ({"supernet": {"recipe": {"epochs": 2, "batch_size": 16}}}, "recipe.warmup_epochs: found 10"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path, capsys: Any, changes: dict[str, Any], message: str
) -> None:
    path = experiment(tmp_path)
    settings = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        section, _, field = name.rpartition("__")
        arguments = settings["tuner"]["classArgs"]
        place = arguments[section] if section else arguments if name in arguments else settings
        place[field or name] = value
    write_text(path, yaml.safe_dump(settings))
    assert main(["plan", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.usefixtures("known")
def test_too_little_disk_is_refused(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    assert main(["plan", str(experiment(tmp_path)), "--steps", "1"]) == 2
    assert "GB free, allowed:" in capsys.readouterr().err
    assert main(["plan", str(tmp_path / "none.yml")]) == 2
    assert main(["plan", str(experiment(tmp_path)), "--steps", "0"]) == 2
