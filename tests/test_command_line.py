from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import random_architectures

from spaces import trionet
from trionet_nni.config import load_experiment
from trionet_nni.flops import CostModel
from trionet_nni.plugins import load_table

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yml"))


def trionet_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trionet_nni.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_papers_space():
    done = trionet_command("space", "experiments/imagenet.yml", "--json")
    summary = json.loads(done.stdout)
    assert set(summary) == {"choices", "architectures", "flops", "params", "operators"}
    assert summary["choices"] == {"conv": 6, "local": 48, "axial": 16}
    assert f"{summary['architectures']:.2e}" == "7.18e+25"
    for budget in (2e9, 3e9, 4e9, 4.7e9):  # TrioNet-A to D
        assert summary["flops"]["min"] < budget < summary["flops"]["max"]
    assert set(summary["operators"]) == {"conv", "local", "axial"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_shipped_experiment_loads(path):
    config = load_experiment(path)
    assert load_table(config.space).architectures > 1
    assert trionet_command("space", str(path)).returncode == 0


def test_counting():
    done = trionet_command("count", "axial-38", "resnet-50", "--json")
    axial, resnet = map(json.loads, done.stdout.splitlines())
    assert axial == {"params": 8_696_648, "macs": 2_223_921_152, "flops": 4_447_842_304}
    assert round(resnet["flops"] / 1e9, 3) == 8.178


def test_many_files_are_counted_at_once(tmp_path):
    architectures = random_architectures(trionet.TABLE, 200)
    files = []
    for number, architecture in enumerate(architectures):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(architecture.to_json())
    done = trionet_command("count", *map(str, files), "--size", "192", "--classes", "7", "--json")
    cost = CostModel(7, 3, 192)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        cost(architecture).to_dict() for architecture in architectures
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("count", "resnet-51"),
        ("count", "README.md"),
        ("count", "resnet-50", "--size", "0"),
        ("space", "experiments/none.yml"),
        ("space", "pyproject.toml"),
        ("export", "nothing-here"),
        ("retrain", "nothing-here"),
        ("retrain",),
        ("finetune", "nothing-here"),
        ("search", "experiments/none.yml"),
    ],
)
def test_wrong_input_gets_one_line_and_status_2(arguments):
    done = trionet_command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("trionet: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("max_flops: 2.0e+7", "max_flops: many", "search.max_flops"),
        ("population: 20", "populaton: 20", "search.populaton"),
        ("batch_size: 32", "batch_size: 0", "supernet.recipe.batch_size"),
        ("name: digits", "name: letters", "data.name"),
    ],
)
def test_a_wrong_experiment_file_names_the_field(tmp_path, old, new, field):
    text = (ROOT / "experiments" / "quickstart.yml").read_text()
    assert old in text
    file = tmp_path / "wrong.yml"
    file.write_text(text.replace(old, new))
    done = trionet_command("space", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith(f"trionet: {file}: tuner.classArgs: {field}: found ")
    assert len(done.stderr.splitlines()) == 1
