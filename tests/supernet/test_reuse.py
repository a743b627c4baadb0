from __future__ import annotations

import json
from pathlib import Path

from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.settings.project import ProjectConfig, parse_project, parse_stored
from trionet_nni.supernet.train import _set_aside_if_inputs_changed


def test_a_supernet_of_before_keeps_its_name_and_one_of_now_has_another() -> None:
    """Its recalibration images trained nothing; now they do."""
    settings = {"space": "spaces.small", "search": {"max_flops": 2e7}}
    before, now = parse_stored(settings, "x"), parse_project(settings, "x")
    assert before.data.recalibration == "held-out" and now.data.recalibration == "training"
    assert before.supernet_hash() == "bfbbf4c3fd7bea96" != now.supernet_hash()  # as 0.1.0 named it
    assert "recalibration" not in before.data.identity()


def test_a_supernet_of_other_images_is_set_aside(tmp_path: Path):
    """Equal settings are not enough: its training images may be search or test images by now."""
    settings = {"space": "spaces.small", "search": {"max_flops": 2e7}}
    config = ProjectConfig.model_validate(settings)
    folder = ExperimentFolder(tmp_path / "experiment")
    directory = tmp_path / "supernets" / "hash"
    directory.mkdir(parents=True)
    _set_aside_if_inputs_changed(directory, config, folder.cache)
    (directory / "last.ckpt").write_bytes(b"weights of these images")
    _set_aside_if_inputs_changed(directory, config, folder.cache)
    assert (directory / "last.ckpt").exists()

    inputs = json.loads((directory / "inputs.json").read_text())
    inputs["data"]["splits"]["train"]["sha256"] = "0" * 64
    (directory / "inputs.json").write_text(json.dumps(inputs))
    _set_aside_if_inputs_changed(directory, config, folder.cache)
    assert not (directory / "last.ckpt").exists()
    (aside,) = (tmp_path / "supernets").glob("hash-until-*")
    assert (aside / "last.ckpt").read_bytes() == b"weights of these images"
