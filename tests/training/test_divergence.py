"""A loss that is no number: gone back from once, with a tenth of the learning rate; then one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from strategies.one_shot import SupernetTask, train_supernet
from tests.helpers.supernets import project
from tests.helpers.tiny import RECIPE, fresh, same, small_splits
from trionet_nni.cli import main
from trionet_nni.errors import RunFailed
from trionet_nni.network.trionet import TrioNet
from trionet_nni.training import chance, divergence
from trionet_nni.training.checkpoints import NAME, PREVIOUS, read_checkpoint
from trionet_nni.training.classification import Classification
from trionet_nni.training.fit import fit

NAN = float("nan")
AT = 6  # the step that goes wrong, of 10


def train(folder: Path, net: TrioNet, **settings: Any) -> dict[str, Any]:
    recipe = settings.pop("recipe", RECIPE)
    return fit(net, recipe, small_splits().train, folder, progress=False, title="tiny", **settings)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Has step `AT` give NaN wherever the peak of the learning rate is above a bound."""

    def poison(bound: float) -> None:
        usual = Classification.training_step

        def step(self: Classification, batch: Any, number: int) -> dict[str, Any]:
            found = usual(self, batch, number)
            if self.global_step == AT - 1 and _peak(self) > bound:
                found["loss"] = found["loss"] * NAN
            return found

        monkeypatch.setattr(Classification, "training_step", step)

    return poison


def _peak(module: Any) -> float:
    return float(module.trainer.optimizers[0].param_groups[0]["initial_lr"])


def finite(path: Path) -> bool:
    state = read_checkpoint(path)["state_dict"].values()
    return all(bool(torch.isfinite(tensor).all()) for tensor in state if tensor.is_floating_point())


def checkpoints(folder: Path) -> Iterator[Path]:
    return folder.rglob("*.ckpt")


def test_back_to_the_last_checkpoint(
    tmp_path: Path, poisoned: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned(RECIPE.learning_rate / 2)
    net = fresh()
    result = train(tmp_path / "whole", net, checkpoint_minutes=0)
    path = tmp_path / "whole" / NAME
    assert (result["complete"], result["rolled_back"]) == (True, {"at": AT, "to": AT - 1})
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"warning: tiny: step {AT}: the loss became NaN or infinite; going back to step {AT - 1} ({path}) "
        "with a tenth of the learning rate"
    )
    assert read_checkpoint(path)["optimizer_states"][0]["param_groups"][0]["initial_lr"] == 0.05 * 0.1
    assert finite(path) and finite(path.with_name(PREVIOUS))
    again = fresh()
    assert train(tmp_path / "whole", again)["rolled_back"] == result["rolled_back"]  # a finished run

    # Interrupted before and after it, and resumed: the same bits.
    for stop in (3, AT + 1, None):
        parts = fresh()
        train(tmp_path / "parts", parts, checkpoint_minutes=0, stop_after_steps=stop)
    assert same(parts, net) and same(again, net)


def test_back_to_the_start(tmp_path: Path, poisoned: Callable[[float], None]) -> None:
    """The whole run is then one with a tenth of the learning rate."""
    poisoned(RECIPE.learning_rate / 2)
    net, lower = fresh(), fresh()
    result = train(tmp_path / "whole", net)
    assert result["rolled_back"] == {"at": AT, "to": 0}
    train(
        tmp_path / "lower",
        lower,
        recipe=RECIPE.model_copy(update={"learning_rate": RECIPE.learning_rate * 0.1}),
    )
    assert same(net, lower)


def test_a_run_that_went_back_to_its_start_and_was_killed_there(
    tmp_path: Path, poisoned: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(RECIPE.learning_rate / 2)
    net, killed = fresh(), fresh()
    train(tmp_path / "whole", net)
    lowered = divergence._lower

    def lower(trainer: Any) -> None:
        lowered(trainer)
        trainer.save_checkpoint(tmp_path / "killed" / NAME)
        raise OSError("power cut")

    monkeypatch.setattr(divergence, "_lower", lower)
    with pytest.raises(OSError, match="power cut"):
        train(tmp_path / "killed", killed)
    assert read_checkpoint(tmp_path / "killed" / NAME)["global_step"] == 0
    resumed = fresh()
    with torch.no_grad():
        resumed.classifier.weight.zero_()  # all comes from the checkpoint
    result = train(tmp_path / "killed", resumed)
    assert result["rolled_back"] == {"at": AT, "to": 0}
    assert same(resumed, net)


def test_twice_is_the_end(
    tmp_path: Path, poisoned: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned(0)
    for _ in range(2):  # the same command again says the same
        with pytest.raises(RunFailed) as failed:
            train(tmp_path, fresh(), checkpoint_minutes=0)
        assert str(failed.value) == (
            f"tiny: step {AT}: the loss became NaN or infinite again, with a tenth of the learning rate "
            f"since it did at step {AT}; {tmp_path / NAME} holds step {AT - 1}: delete it and start over "
            "with a lower learning_rate"
        )
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert all(finite(path) for path in checkpoints(tmp_path))


def test_weights_that_are_no_number_are_not_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss of the step was one."""
    net, calls = fresh(), []

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return gradient * NAN if len(calls) == AT else gradient

    net.classifier.weight.register_hook(spoil)
    result = train(tmp_path, net, checkpoint_minutes=0)
    assert result["rolled_back"] == {"at": AT, "to": AT - 1}
    assert f"step {AT}: the weights became NaN" in capsys.readouterr().err
    assert all(finite(path) for path in checkpoints(tmp_path))


def test_a_learning_rate_of_a_million(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = RECIPE.model_copy(update={"learning_rate": 1e6, "warmup_epochs": 0.0})
    with pytest.raises(
        RunFailed, match=r"^tiny: step \d+: the (loss|weights) became NaN or infinite again"
    ):
        train(tmp_path, fresh(), recipe=recipe, checkpoint_minutes=0)
    assert all(finite(path) for path in checkpoints(tmp_path))
    print(capsys.readouterr().err)


def test_a_gpu_is_not_asked_at_every_step() -> None:
    watch = divergence.Divergence(Path("nowhere"))
    seen: list[int] = []

    class Trainer:
        global_step = 0

    trainer: Any = Trainer()
    for number, loss in enumerate((1.0, NAN, 2.0, float("inf")), 1):
        trainer.global_step = number
        try:
            outputs, nothing = {"loss": torch.tensor(loss)}, Any
            watch.on_train_batch_end(trainer, nothing, outputs, None, number)
        except divergence.Diverged as error:
            seen.append(error.step)
    assert seen == [2, 2, 2]  # the first one is kept, however late it is read


def test_segmentation_by_the_command(
    panoptic_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = panoptic_run.read_text().replace("learning_rate: 1.0e-3", "learning_rate: 1.0e+6")
    panoptic_run.write_text(text.replace("adam", "sgd").replace("iterations: 3", "iterations: 9"))
    assert main(["segment", "train", str(panoptic_run), "-o", str(tmp_path / "run"), "--json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("warning:")]) == 1
    (line,) = [line for line in lines if line.startswith("trionet:")]
    assert "became NaN or infinite again" in line
    assert not [line for line in lines if "Traceback" in line]


def test_a_supernet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, bound = SupernetTask.loss, 0.02

    def loss(self: SupernetTask, batch: Any) -> torch.Tensor:
        found = usual(self, batch)
        bad = self.trainer.global_step == AT - 1 and _peak(self) > bound
        return found * NAN if bad else found

    def run(name: str, stop: int | None = None) -> dict[str, torch.Tensor]:
        train_supernet(
            project(), tmp_path / name, lambda _: None, cache=tmp_path / "cache", stop_after_steps=stop
        )
        return load_file(tmp_path / name / "supernet.safetensors") if stop is None else {}

    monkeypatch.setattr(SupernetTask, "loss", loss)
    whole = run("whole")
    run("parts", AT + 1)
    parts = run("parts")
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    complete = json.loads((tmp_path / "whole" / "complete.json").read_text())
    assert complete["rolled_back"] == {"at": AT, "to": AT - 1}
    assert f"warning: supernet: step {AT}: the loss became NaN" in capsys.readouterr().err
    bound = 0
    with pytest.raises(RunFailed, match=f"^supernet: step {AT}: .* again"):
        run("twice")
    assert all(finite(path) for path in checkpoints(tmp_path))


def test_stuck_at_chance_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chance, "_FEWEST", 3)
    recipe = RECIPE.model_copy(update={"learning_rate": 1e-9, "epochs": 3})
    assert train(tmp_path / "stuck", fresh(), recipe=recipe)["complete"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: tiny: step 5: an accuracy of 0.") and "chance (0.1" in line
    monkeypatch.setattr(chance, "_FEWEST", 100)
    train(tmp_path / "short", fresh(), recipe=recipe)
    assert capsys.readouterr().err == ""  # too short to tell


def test_better_than_chance_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    chance.warn_at_chance("x", 100, 0.30, 0.1, 500)
    assert capsys.readouterr().err == ""
    chance.warn_at_chance("x", 100, 0.11, 0.1, 500)
    assert "no better than chance (0.100)" in capsys.readouterr().err
    assert chance.chance(torch.tensor([0, 1, 1, 2])) == 0.5
    assert (chance.third(900), chance.third(30)) == (300, None)
