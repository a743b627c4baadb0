"""What warm evaluation is built from: locks, held images, curves, complete supernets, readable weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.helpers.tiny import digit_folder, folder_config
from tests.helpers.tiny_experiment import CANDIDATES, finished, project
from trionet_nni.data import load_splits
from trionet_nni.data.in_memory import in_memory
from trionet_nni.errors import InputError
from trionet_nni.files.locks import lock, locked_key, try_lock
from trionet_nni.nnictl.candidate.address import address
from trionet_nni.supernet.curve import Curve
from trionet_nni.supernet.evaluator import Evaluator, evaluate
from trionet_nni.supernet.folder import COMPLETE, WEIGHTS, is_complete
from trionet_nni.supernet.results import ResultsStore

CPU = torch.device("cpu")


def test_a_warm_evaluator_measures_what_a_fresh_one_does() -> None:
    files, config = finished(), project()
    supernet = files.supernet_directory(config.supernet_hash())
    warm = Evaluator(config, supernet, files.cache, CPU)
    before = {name: tensor.clone() for name, tensor in warm._state.items()}
    store = ResultsStore(files.evaluations, "loss")
    for architecture in (*CANDIDATES, *reversed(CANDIDATES)):  # what came before leaves no trace
        found, alone = warm.evaluate(architecture), store.get(architecture.hash)
        assert alone is not None
        assert replace(found, seconds=0) == replace(alone, seconds=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in warm._state.items())
    cold = evaluate(config, supernet, CANDIDATES[0], files.cache)
    assert replace(cold, seconds=0) == replace(warm.evaluate(CANDIDATES[0]), seconds=0)


@pytest.mark.parametrize("damage", ["cut", "rubbish", "gone"])
def test_damaged_weights_are_one_clear_line(tmp_path: Path, damage: str) -> None:
    files, config = finished(), project()
    weights = (files.supernet_directory(config.supernet_hash()) / WEIGHTS).read_bytes()
    if damage != "gone":
        (tmp_path / WEIGHTS).write_bytes(weights[: len(weights) // 2] if damage == "cut" else b"rubbish")
    with pytest.raises(InputError, match=WEIGHTS) as error:
        Evaluator(config, tmp_path, files.cache, CPU)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [28, 72])  # in memory; decoded from files when read
def test_held_images_are_the_same(size: int, tmp_path: Path) -> None:
    images = load_splits(folder_config(digit_folder(), image_size=size), tmp_path).search
    kept = in_memory(images)
    assert torch.equal(kept.images, images.pixels(slice(0, len(images))))
    assert torch.equal(kept.labels, images.labels)
    assert torch.equal(kept.normalized(slice(3, 9)), images.normalized(slice(3, 9)))


def test_supernet_is_complete_with_its_weights_only(tmp_path: Path) -> None:
    assert not is_complete(tmp_path, "h")
    (tmp_path / COMPLETE).write_text(json.dumps({"hash": "h"}))
    assert not is_complete(tmp_path, "h")
    (tmp_path / WEIGHTS).touch()
    assert is_complete(tmp_path, "h") and not is_complete(tmp_path, "other")
    (tmp_path / COMPLETE).write_text("[")
    assert not is_complete(tmp_path, "h")


def test_a_curve_has_each_step_once(tmp_path: Path) -> None:
    curve = Curve(tmp_path / "curve.jsonl")
    assert curve.points() == []
    points = [{"default": step / 10, "step": step} for step in (1, 2, 3)]
    for point in points[:2]:
        curve.add(point)
    with curve.path.open("a") as file:
        file.write('{"default": 0.3, "st')  # killed
    for point in points[1:]:
        curve.add(point)
    assert curve.points() == points
    curve.add({"default": 0.25, "step": 2})  # after a roll-back, with a lower learning rate
    assert curve.points() == [points[0], {"default": 0.25, "step": 2}, points[2]]


def test_locks_exclude_processes_and_end_with_them(tmp_path: Path) -> None:
    path, key = tmp_path / "lock", "ffffffffffffffff"
    code = (
        "import sys, time; from pathlib import Path; from trionet_nni.files.locks import *\n"
        "file = lock(Path(sys.argv[1]))\n"
        "with locked_key(Path(sys.argv[2]), sys.argv[3]):\n    print('held', flush=True); time.sleep(1000)"
    )
    keys = tmp_path / "keys"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(keys), key], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert try_lock(path) is None
        with pytest.raises(TimeoutError, match="held"):
            lock(path, seconds=0.1)
        with locked_key(keys, "0" * 16):  # another candidate's
            pass
        other.kill()
    with locked_key(keys, key), lock(path):
        pass


def test_sockets_with_long_paths_have_short_names(tmp_path: Path) -> None:
    deep = tmp_path / ("very-" * 30)
    deep.mkdir()
    (deep / "file").write_text("x")
    with address(deep / "file") as name:
        assert len(name) < 100 and Path(name).read_text() == "x"
