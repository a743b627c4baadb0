"""`trionet new`: what it writes can be searched as it is, and it says why it is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.new import NAME, new_experiment
from trionet_nni.experiment.open import open_experiment


def pictures(folder: Path, side: int, count: int = 40, *, test: bool = False) -> Path:
    """Noise in two classes; pictures are wider than high."""
    random = np.random.default_rng(0)
    for part in ("train", "test") if test else ("train",):
        for name in ("cats", "dogs"):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (side, side + 5, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("side", "gpu", "size", "space"),
    [
        (9, False, 28, "spaces.small"),
        (33, False, 36, "spaces.small"),
        (150, False, 64, "spaces.small"),
        (150, True, 224, "spaces.trionet"),
        (100, True, 64, "spaces.small"),
    ],
)
def test_what_it_writes_can_be_searched(
    tmp_path: Path, side: int, gpu: bool, size: int, space: str
) -> None:
    root = pictures(tmp_path / "my pictures: 1", side, test=gpu)
    path, choice = new_experiment(tmp_path / "new", root, gpu=gpu)
    checked = check_experiment(open_experiment(path))
    assert (checked.config.data.image_size, checked.config.space) == (size, space)
    assert checked.task.cost.classes == 2 and checked.task.cost.channels == 3
    low, high = checked.budgets[0].reachable
    limits = [budget.max_flops for budget in checked.budgets]
    assert limits == sorted(set(limits)) and len(limits) == 3 and low < limits[0] and limits[-1] < high
    assert checked.working == (tmp_path / "new" / "runs").resolve()
    assert choice.pictures.own_test == gpu
    said = " ".join(path.read_text().replace("#  ", "").split())
    assert all(len(line) < 110 for line in path.read_text().splitlines() if line.startswith("#  "))
    assert f"{side} pixels" in said


def test_it_says_what_it_chose_and_the_next_command(tmp_path: Path, capsys: Any) -> None:
    root = pictures(tmp_path / "pictures", 32)
    assert main(["new", str(tmp_path / "new"), "--data", str(root)]) == 0
    said = capsys.readouterr().out
    assert "80 in 2 classes" in said and "Budgets in FLOPs: small " in said
    assert f"Next: trionet plan {tmp_path / 'new' / NAME}" in said and "--minutes 60" in said


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    root = pictures(tmp_path / "pictures", 32)
    folder = tmp_path / "new"
    folder.mkdir()
    new_experiment(folder, root, gpu=False)
    before = (folder / NAME).read_bytes()
    with pytest.raises(InputError, match=r"found something there, allowed: a new or an empty folder"):
        new_experiment(folder, root, gpu=False)
    with pytest.raises(InputError, match="found something there"):
        new_experiment(folder / NAME, root, gpu=False)
    assert (folder / NAME).read_bytes() == before


def test_a_folder_without_pictures_leaves_nothing_behind(tmp_path: Path) -> None:
    for root, line in ((tmp_path / "nowhere", "cannot be read"), (tmp_path, "class folders: found 0")):
        with pytest.raises(InputError, match=line):
            new_experiment(tmp_path / "new", root, gpu=False)
    for name in ("cats", "dogs"):
        (tmp_path / "bad" / name).mkdir(parents=True)
        (tmp_path / "bad" / name / "1.png").write_text("no picture")
    with pytest.raises(InputError, match="found none that can be read"):
        new_experiment(tmp_path / "new", tmp_path / "bad", gpu=False)
    assert not (tmp_path / "new").exists()
