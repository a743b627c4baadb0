"""Retraining and fine-tuning an exported network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.helpers.tiny import digit_folder, same, small_splits
from tests.helpers.tiny_experiment import exported, finished
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.export.best import export
from trionet_nni.export.card import read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.load import load
from trionet_nni.export.retrain import finetune, retrain, retrain_architecture
from trionet_nni.export.settings import read_config
from trionet_nni.training.evaluate import accuracy, scores


def test_retraining_uses_all_but_the_test_images_and_measures_on_those(network_folder: Path) -> None:
    result = retrain(network_folder, progress=False)
    assert result["of"] == 2 * (200 // 32)  # two epochs of train + search
    assert (result["images"], result["split"], result["seed"]) == (50, "test", 0)
    assert json.loads((network_folder / "retrain_result.json").read_text()) == result
    network = load(network_folder, "retrained")
    assert accuracy(network, small_splits().test) == result["accuracy"]


def test_the_card_says_what_every_set_of_weights_reaches_and_load_takes_the_best(
    network_folder: Path,
) -> None:
    for train in (retrain, finetune):
        train(network_folder, progress=False)
    card = read_card(network_folder)
    assert card.trained.keys() == {"retrained", "finetuned", "supernet"}
    text = (network_folder / "card.md").read_text(encoding="utf-8")
    for name, found in card.trained.items():
        reached = scores(load(network_folder, name), small_splits().test)
        assert (found.accuracy, found.images, found.split) == (reached.accuracy, 50, "test")
        assert found.loss == pytest.approx(reached.loss)
        assert f"| {name} weights | accuracy {found.accuracy:.4f}, loss {found.loss:.4f} on 50 test" in text
    assert (card.trained["retrained"].seed, card.trained["supernet"].seed) == (0, None)
    for best in card.trained:
        trained = {
            name: found.model_copy(update={"accuracy": float(name == best)})
            for name, found in card.trained.items()
        }
        write_card(
            network_folder, card.model_copy(update={"trained": trained}), architecture(network_folder)
        )
        assert same(load(network_folder), load(network_folder, best))
        assert f"load() takes | {best} |" in (network_folder / "card.md").read_text(encoding="utf-8")


def test_another_export_keeps_what_was_measured_of_the_weights_it_keeps(tmp_path: Path) -> None:
    folder = export(finished().root, 1, tmp_path / "out")[0].folder
    retrain(folder, progress=False)
    before = read_card(folder).trained
    export(finished().root, 1, tmp_path / "out")
    assert read_card(folder).trained == {"retrained": before["retrained"]}


def test_a_folder_of_before_is_known_by_its_results(
    network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its card says neither what was trained nor the margin."""
    retrain(network_folder, progress=False)
    card = json.loads((network_folder / "card.json").read_text())
    del card["trained"], card["margin"]
    for accuracy_before, best in ((0.0, "supernet"), (1.0, "retrained")):
        result = json.loads((network_folder / "retrain_result.json").read_text())
        result["accuracy"] = accuracy_before
        (network_folder / "retrain_result.json").write_text(json.dumps(result))
        (network_folder / "card.json").write_text(json.dumps(card))
        assert same(load(network_folder), load(network_folder, best))
    capsys.readouterr()
    (network_folder / "retrain_result.json").unlink()
    assert same(load(network_folder), load(network_folder, "retrained"))
    lines = capsys.readouterr().err.splitlines()
    assert sum("how good retrained.safetensors is" in line for line in lines) == 1
    assert all("margin: found nothing" in line or "how good" in line for line in lines)


def architecture(folder: Path) -> Architecture:
    return Architecture.load(folder / "architecture.json")


def test_an_interrupted_retraining_goes_on_to_the_same_weights(
    network_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(network_folder, tmp_path / "other"))
    retrain(network_folder, progress=False)
    torch.manual_seed(99)
    assert not retrain(other, progress=False, stop_after_steps=5)["complete"]
    assert not (other / "retrained.safetensors").exists()
    assert retrain(other / "retrain.yml", progress=False)["resumed_from"] == 5
    assert (other / "retrained.safetensors").read_bytes() == (
        network_folder / "retrained.safetensors"
    ).read_bytes()


def test_seeds_give_other_networks_and_own_runs(network_folder: Path) -> None:
    retrain(network_folder, seed=1, progress=False, stop_after_steps=1)
    retrain(network_folder, seed=2, progress=False, stop_after_steps=1)
    runs = sorted(path.name for path in (network_folder / "runs").glob("[!.]*"))
    assert runs == ["retrain-seed1", "retrain-seed2"]
    states = [
        torch.load(network_folder / "runs" / run / "last.ckpt", weights_only=True)["state_dict"]
        for run in runs
    ]
    assert not torch.equal(*(state["network.stem.0.weight"] for state in states))


def test_finetuning_starts_from_the_exported_weights(network_folder: Path) -> None:
    document = yaml.safe_load((network_folder / "retrain.yml").read_text())
    document["finetune"]["learning_rate"] = 1e-9  # so small that the weights stay where they were
    (network_folder / "retrain.yml").write_text(yaml.safe_dump(document))
    result = finetune(network_folder, progress=False)
    assert (result["kind"], result["images"]) == ("finetune", 50)
    before, after = (load_file(network_folder / f"{name}.safetensors") for name in ("weights", "finetuned"))
    for name, tensor in before.items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)


def test_the_script_runs_from_any_folder(network_folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    environment = {**os.environ, "CDPATH": str(tmp_path), "COLUMNS": "120"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        ["bash", "../network/retrain.sh", "--seed", "4"],
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((network_folder / "retrain_result.json").read_text())["seed"] == 4
    assert "test accuracy" in done.stdout and "evaluate" in done.stdout
    assert "loss" in done.stderr  # progress
    assert not list(elsewhere.iterdir())


def test_a_baseline_is_trained_like_an_exported_network(tmp_path: Path) -> None:
    settings = {
        "tuner": {
            "codeDirectory": ".",
            "classArgs": {
                "space": "spaces.small",
                "data": {
                    "name": "folder",
                    "root": os.path.relpath(digit_folder(), tmp_path),
                    "image_size": 32,
                    "search_images": 40,
                    "recalibration_images": 32,
                },
                "search": {"max_flops": 1.0e9, "band": 0},
                "retrain": {"epochs": 0.1, "batch_size": 16, "warmup_epochs": 0, "augment": "none"},
            },
        }
    }
    (tmp_path / "x.yml").write_text(yaml.safe_dump(settings))
    (tmp_path / "a.json").write_text(exported()[0].evaluation.architecture.to_json())
    for network in ("axial-26", str(tmp_path / "a.json")):
        out = tmp_path / "out" / Path(network).stem
        result = retrain_architecture(network, tmp_path / "x.yml", out, seed=3, progress=False)
        assert (result["seed"], result["steps"], result["images"]) == (3, 1, 50)
        assert load(out, "retrained")(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    with pytest.raises(InputError, match=r"found no such file, allowed: .*nearest is axial-26"):
        retrain_architecture("axial-27", tmp_path / "x.yml", tmp_path / "out")


def test_a_folder_of_before_divides_its_images_as_it_did(network_folder: Path) -> None:
    path = network_folder / "retrain.yml"
    document = yaml.safe_load(path.read_text())
    assert read_config(path).data.recalibration == document["data"].pop("recalibration") == "training"
    path.write_text(yaml.safe_dump(document))
    assert read_config(path).data.recalibration == "held-out"


def change(folder: Path, text: str) -> str:
    (folder / "retrain.yml").write_text(text)
    with pytest.raises(InputError) as caught:
        retrain(folder, progress=False)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_mistakes_in_retrain_yml_are_one_line(network_folder: Path) -> None:
    path = network_folder / "retrain.yml"
    whole = path.read_text()
    assert change(network_folder, whole + "colour: red\n").startswith(f"{path}: colour: found 'red'")
    wrong = whole.replace("epochs: 2.0", "epochs: -2.0")
    assert change(network_folder, wrong).startswith(f"{path}: retrain.epochs: found -2.0")
    large = whole.replace("batch_size: 32", "batch_size: 201")
    allowed = "allowed: up to the 200 training images"
    assert change(network_folder, large) == f"{path}: retrain.batch_size: found 201, {allowed}"
    long = whole.replace("warmup_epochs: 0.5", "warmup_epochs: 2")
    assert change(network_folder, long).startswith(
        f"{path}: retrain.warmup_epochs: found 2, allowed: below"
    )
    other = whole.replace("image_size: 28", "image_size: 32")
    assert "as in card.json" in change(network_folder, other)
    missing = whole.replace(str(digit_folder().resolve()), "nowhere")
    assert change(network_folder, missing).startswith(
        f"{network_folder / 'nowhere'}: data.root: cannot be read"
    )
    path.unlink()
    with pytest.raises(InputError, match="found nothing, allowed: a folder that trionet export wrote"):
        retrain(network_folder)
