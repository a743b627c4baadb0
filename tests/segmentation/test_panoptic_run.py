"""Panoptic segmentation from a run's file to predictions, by the command line."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.panoptic_folder import BLOCK, drawn_ids
from trionet_nni.cli import main
from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic, encode_ids
from trionet_nni.segmentation.train import train


def test_a_run_is_trained_evaluated_and_predicts(panoptic_run, tmp_path, capsys):
    run, scored, free = (tmp_path / name for name in ("run", "scored", "free"))
    assert main(["segment", "train", str(panoptic_run), "-o", str(run), "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)["metrics"]
    assert {"PQ", "PQ-things", "PQ-stuff", "SQ", "RQ"} <= trained.keys()
    assert main(["segment", "eval", str(run), "-o", str(scored), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(trained)
    written = CocoPanoptic(scored / "panoptic.json", tmp_path / "data" / "tiny")
    assert [record.image_id for record in written] == [10, 11]
    pictures = tmp_path / "data" / "tiny"
    assert main(["segment", "predict", str(run), str(pictures), "-o", str(free)]) == 0
    for index in range(2):
        there = CocoPanoptic(free / "panoptic.json", pictures).read(index)[1]
        assert torch.equal(there.ids, written.read(index)[1].ids)
        assert (free / "overlays" / f"picture{index}.png").exists()


def test_an_interrupted_run_ends_with_the_same_weights(panoptic_run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(panoptic_run, whole, progress=False)
    assert not train(panoptic_run, parts, progress=False, stop_after_steps=1)["complete"]
    assert train(panoptic_run, parts, progress=False)["resumed_from"] == 1
    expected, found = (load_file(folder / "weights.safetensors") for folder in (whole, parts))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train: panoptic_tiny", "train: other", r"annotations/other.json: cannot be read"),
        ("network: network.json", "network: small.json", r"backbone.network: found 3 stages"),
        ("sigma: 3.0", "sigma: 0.0", r"panoptic.sigma: found 0.0, allowed: "),
    ],
)
def test_unusable_input_is_one_line(panoptic_run, tmp_path, capsys, old, new, message):
    small = {"space": "trionet-small", "stages": [[BLOCK]] * 3}
    (tmp_path / "small.json").write_text(json.dumps(small))
    panoptic_run.write_text(panoptic_run.read_text().replace(old, new))
    assert main(["segment", "train", str(panoptic_run), "-o", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_png_with_a_strange_id_is_one_line_also_from_a_worker(panoptic_run, tmp_path, capfd, workers):
    ids = torch.from_numpy(drawn_ids(0)).clone()
    ids[0, 0] = 77
    encode_ids(ids).save(tmp_path / "data" / "annotations" / "panoptic_tiny" / "picture0.png")
    panoptic_run.write_text(panoptic_run.read_text().replace("data: {", f"data: {{workers: {workers}, "))
    assert main(["segment", "train", str(panoptic_run), "-o", str(tmp_path / "run")]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "picture0.png" in line]
    assert len(lines) == 1
    assert re.search(r"^trionet: .*picture0.png: id: found 77, allowed: ids in segments_info", lines[0])
