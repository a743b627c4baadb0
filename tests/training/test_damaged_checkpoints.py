"""A damaged newest checkpoint: the run goes on from the one before it, to the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from strategies.one_shot import train_supernet
from tests.helpers.supernets import project
from tests.helpers.tiny import RECIPE, fresh, same, small_splits
from trionet_nni.errors import InputError
from trionet_nni.files.sealed import is_sealed
from trionet_nni.network.trionet import TrioNet
from trionet_nni.training.checkpoints import NAME, PREVIOUS, AtomicCheckpointIO, read_checkpoint
from trionet_nni.training.fit import fit


def flipped(data: bytes, place: float) -> bytes:
    """One bit of one byte."""
    at = int(len(data) * place)
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "without its seal": lambda data: data[:-40],
    "a byte short": lambda data: data[:-1],
    "cut in half": lambda data: data[: len(data) // 2],
    "zeros at its end": lambda data: data[:-4096] + bytes(4096),
    "a bit flipped in front": lambda data: flipped(data, 0.01),
    "a bit flipped in the weights": lambda data: flipped(data, 0.5),
    "a bit flipped in the digest": lambda data: flipped(data, 1 - 5 / len(data)),
    "another file": lambda data: b"step 5\n",
}


def damaged(begun: Path, folder: Path, damage: Callable[[bytes], bytes], *names: str) -> Path:
    for name in (NAME, PREVIOUS):
        shutil.copy(begun / name, folder / name)
    for name in names:
        path = folder / name
        path.write_bytes(damage(path.read_bytes()))
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    begun: Path, uninterrupted: TrioNet, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(begun, tmp_path, DAMAGES[damage], NAME)
    net = fresh()
    result = fit(net, RECIPE, small_splits().train, tmp_path, progress=False, title="tiny")
    assert (result["resumed_from"], result["complete"]) == (3, True)
    assert same(net, uninterrupted)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: tiny: {tmp_path / NAME}: found a damaged checkpoint (")
    assert line.endswith("); going on from the one before it, step 3")
    assert read_checkpoint(tmp_path / NAME)["global_step"] == 10
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == 3  # never the damaged one


@pytest.mark.parametrize("damage", ["empty", "cut in half", "a bit flipped in the weights"])
def test_two_damaged_checkpoints_are_one_line(begun: Path, tmp_path: Path, damage: str) -> None:
    damaged(begun, tmp_path, DAMAGES[damage], NAME, PREVIOUS)
    with pytest.raises(
        InputError, match=r"found no readable checkpoint \(.*; previous.ckpt is damaged too"
    ):
        fit(fresh(), RECIPE, small_splits().train, tmp_path, progress=False)
    (tmp_path / PREVIOUS).unlink()
    with pytest.raises(InputError, match="found no readable checkpoint"):
        fit(fresh(), RECIPE, small_splits().train, tmp_path, progress=False)
    (tmp_path / NAME).unlink()  # as the line says
    result = fit(fresh(), RECIPE, small_splits().train, tmp_path, progress=False, stop_after_steps=1)
    assert result["resumed_from"] == 0


def test_a_run_begun_anew_does_not_fall_back_to_an_older_one(begun: Path, tmp_path: Path) -> None:
    damaged(begun, tmp_path, bytes)
    (tmp_path / NAME).unlink()
    fit(fresh(), RECIPE, small_splits().train, tmp_path, progress=False, stop_after_steps=1)
    assert not (tmp_path / PREVIOUS).exists()


def test_checkpoints_without_a_seal_are_read_as_before(
    begun: Path, uninterrupted: TrioNet, tmp_path: Path
) -> None:
    # As versions before the seal wrote it; torch itself reads sealed ones.
    torch.save(torch.load(begun / NAME, weights_only=True), tmp_path / NAME)
    assert is_sealed((begun / NAME).read_bytes()) and not is_sealed((tmp_path / NAME).read_bytes())
    net = fresh()
    assert fit(net, RECIPE, small_splits().train, tmp_path, progress=False)["resumed_from"] == 5
    assert same(net, uninterrupted)


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    files = AtomicCheckpointIO()
    state = {
        "global_step": 1,
        "state_dict": {"x": torch.ones(3)},
        "callbacks": {},
        "optimizer_states": [{}],
    }
    files.save_checkpoint(state, tmp_path / NAME)
    data = (tmp_path / NAME).read_bytes()
    for at in range(0, len(data) - 40, 17):
        (tmp_path / NAME).write_bytes(flipped(data, (at + 0.5) / len(data)))
        with pytest.raises(InputError, match="SHA-256"):
            read_checkpoint(tmp_path / NAME)


def test_a_supernet_falls_back_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(folder: Path, stop: int | None = None) -> None:
        train_supernet(project(), folder, lambda _: None, cache=tmp_path / "cache", stop_after_steps=stop)

    train(tmp_path / "whole")
    train(tmp_path / "damaged", 4)
    path = tmp_path / "damaged" / NAME
    path.write_bytes(flipped(path.read_bytes(), 0.5))
    capsys.readouterr()
    train(tmp_path / "damaged")
    assert "going on from the one before it, step 3" in capsys.readouterr().err
    whole, found = (load_file(tmp_path / run / "supernet.safetensors") for run in ("whole", "damaged"))
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.items())
