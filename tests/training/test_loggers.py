"""Where curves go: each logger has the same numbers, and none of them changes what is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from strategies.one_shot import train_supernet
from tests.helpers.checkout import ROOT
from tests.helpers.logged import logged
from tests.helpers.shapes import settings, write_shapes
from tests.helpers.supernets import STEPS, project
from tests.helpers.tiny import CACHE, digits
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.export.retrain import retrain
from trionet_nni.segmentation.train import train as segment
from trionet_nni.settings import loggers
from trionet_nni.settings.changes import parse_changes
from trionet_nni.settings.loggers import check_logger
from trionet_nni.settings.project import RecipeConfig

SERVERS = ("wandb", "mlflow")


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A logger whose package is here, without a server."""
    name: str = request.param
    pytest.importorskip(name, reason=f"pip install {name}: --logger {name} is tried with the real package")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    return name


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
    found = logged("csv", other / "runs" / "retrain-seed0")
    assert [step for step, _ in found.curves["train/loss"]] == [0, 1, 2, 3]
    assert found.settings["recipe"]["steps"] == 4 and found.settings["network"]
    assert not list(other.rglob("events.out*")) and list(network_folder.rglob("events.out*"))


@pytest.mark.parametrize("kind", SERVERS, indirect=True)
def test_a_resumed_retraining_is_one_run_with_the_numbers_of_csv(
    kind: str, network_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(network_folder, tmp_path / "other"))
    for folder, name in ((network_folder, "csv"), (other, kind)):
        changes = parse_changes(["retrain.steps=6", f"retrain.logger={name}"])
        retrain(folder, progress=False, stop_after_steps=3, changes=changes)
        retrain(folder, progress=False)
    plain = logged("csv", network_folder / "runs" / "retrain-seed0")
    found = logged(kind, other / "runs" / "retrain-seed0")
    assert len(found.names) == 1
    assert found.curves == plain.curves and len(found.curves["train/loss"]) == 6
    seen = found.settings.get("recipe/learning_rate") or found.settings["recipe"]["learning_rate"]
    assert float(seen) == plain.settings["recipe"]["learning_rate"]
    assert found.settings["network"] == plain.settings["network"]


@pytest.mark.parametrize("kind", SERVERS, indirect=True)
def test_a_supernets_curves_are_those_of_csv(kind: str, tmp_path: Path) -> None:
    digits()
    for name in ("csv", kind):
        config = project()
        recipe = config.supernet.recipe.model_copy(update={"logger": name})
        supernet = config.supernet.model_copy(update={"recipe": recipe})
        named = config.model_copy(update={"supernet": supernet})
        train_supernet(named, tmp_path / name, lambda _: None, cache=CACHE)
    plain, found = (logged(name, tmp_path / name) for name in ("csv", kind))
    assert found.curves == plain.curves
    assert [step for step, _ in found.curves["largest/axial"]] == [STEPS]
    assert found.settings["space"] == "spaces.tiny"


@pytest.mark.parametrize("kind", SERVERS, indirect=True)
def test_a_segmentations_curves_are_those_of_csv_and_its_pictures_are_shown(
    kind: str, tmp_path: Path
) -> None:
    write_shapes(tmp_path / "data", train=9, validation=3, size=56)
    for name in ("csv", kind):
        file = tmp_path / f"{name}.yml"
        file.write_text(yaml.safe_dump({**settings(), "logger": name}))
        segment(file, tmp_path / name, progress=False)
    plain, found = logged("csv", tmp_path / "csv" / "curves"), logged(kind, tmp_path / kind)
    assert found.curves == plain.curves
    assert [step for step, _ in found.curves["validation/IoU/disc"]] == [3, 6]
    assert sorted(name.rsplit("/", 1)[1] for name in found.pictures) == ["3", "3", "6", "6", "6"]
    assert all("val_000" in name for name in found.pictures)


@pytest.mark.parametrize("missing", SERVERS)
def test_a_logger_without_its_package_is_one_line_before_anything_is_done(
    missing: str,
    network_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=f"logger: found {missing} without its package, allowed: "):
        check_logger(missing, "logger")
    experiment = str(ROOT / "experiments" / "quickstart.yml")
    before = (network_folder / "retrain.yml").read_bytes()
    for typed in (
        ["retrain", str(network_folder)],
        ["finetune", str(network_folder)],
        ["finetune", str(network_folder), "--data", "digits", "-o", str(tmp_path / "out")],
        ["retrain", "--architecture", "axial-26", "--experiment", experiment, "-o", str(tmp_path / "out")],
        ["search", experiment],
        ["supernet", experiment],
        ["segment", "train", str(ROOT / "experiments" / "shapes.yml"), "-o", str(tmp_path / "out")],
    ):
        capsys.readouterr()
        assert main([*typed, "--logger", missing]) == 2
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        assert f"logger: found {missing} without its package" in line and not said.out
    assert not (tmp_path / "out").exists() and not (network_folder / "runs").exists()
    assert (network_folder / "retrain.yml").read_bytes() == before


def test_wandb_without_a_login_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb", reason="pip install wandb: its login is tried for real")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    wandb.teardown()
    with pytest.raises(InputError, match=r"logger: found wandb without a login .*WANDB_MODE=offline"):
        check_logger("wandb", "retrain.logger")
    wandb.teardown()
