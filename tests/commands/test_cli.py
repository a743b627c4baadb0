"""The small commands in this process: what stands on standard output, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from spaces import small, trionet
from tests.helpers.architectures import random_architectures
from tests.helpers.checkout import ROOT
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.report.space import cost_model, space_summary
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import load_experiment, read_yaml
from trionet_nni.supernet.results import Evaluation, ResultsStore

FILES = sorted((ROOT / "experiments").glob("*.yml"))
EXPERIMENTS = [path for path in FILES if "tuner" in read_yaml(path)]  # the others are segmentation runs
IMAGENET = str(ROOT / "experiments" / "imagenet.yml")


@pytest.fixture(autouse=True)
def _search_path(monkeypatch):
    """The command puts folders on the path; take them off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_the_papers_space_to_the_last_digit(capsys):
    assert main(["space", IMAGENET, "--json"]) == 0
    output = capsys.readouterr()
    summary = json.loads(output.out)  # nothing else on standard output
    assert output.err == ""
    assert output.out.count("\n") == 1
    assert summary["choices"] == {"conv": 6, "local": 48, "axial": 16}
    assert summary["architectures"] == 71_810_804_455_625_701_830_000_000
    for ranges in (summary, *summary["operators"].values()):
        for quantity in ("flops", "params"):
            assert ranges[quantity].keys() == {"min", "max"}
            assert 0 < ranges[quantity]["min"] < ranges[quantity]["max"]
            assert summary[quantity]["min"] <= ranges[quantity]["min"]
            assert summary[quantity]["max"] >= ranges[quantity]["max"]


def test_no_network_lies_outside_the_printed_ranges():
    config = load_experiment(IMAGENET)
    summary = space_summary(config)
    for architecture in random_architectures(trionet.TABLE, 50):
        cost = CostModel()(architecture)
        for quantity in ("flops", "params"):
            found = getattr(cost, quantity)
            assert summary[quantity]["min"] <= found <= summary[quantity]["max"]


def test_experiments_are_shipped():
    assert {path.stem for path in EXPERIMENTS} >= {"imagenet", "quickstart"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_experiment_can_be_summarized_and_met(path, capsys):
    config = load_experiment(path)
    assert main(["space", str(path)]) == 0
    assert config.space in capsys.readouterr().out
    summary = space_summary(config)
    assert summary["architectures"] == load_table(config.space).architectures
    assert config.search.min_flops <= summary["flops"]["max"]
    assert summary["flops"]["min"] <= config.search.limits[0]


def test_axial_38(capsys):
    assert main(["count", "axial-38", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out) == {
        "params": 8_696_648,
        "macs": 4_447_842_304 // 2,
        "flops": 4_447_842_304,
    }
    assert output.err == ""


def test_every_baseline_has_a_line_with_its_name(capsys):
    assert main(["count", *BASELINES]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(BASELINES)


def test_many_files_are_counted_at_once(tmp_path, capsys):
    architectures = random_architectures(trionet.TABLE, 200)
    files = [tmp_path / f"{number}.json" for number in range(200)]
    for file, architecture in zip(files, architectures, strict=True):
        file.write_text(architecture.to_json())
    assert main(["count", *map(str, files), "--json"]) == 0
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert counted == [CostModel()(architecture).to_dict() for architecture in architectures]


def test_size_and_classes_change_the_count(capsys):
    def counted(*options: str) -> dict[str, int]:
        assert main(["count", "resnet-26", "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    whole = counted()
    assert counted("--size", "112")["macs"] < whole["macs"] / 3
    assert counted("--size", "112")["params"] == whole["params"]
    assert whole["params"] - counted("--classes", "10")["params"] == 990 * (2048 + 1)
    assert whole["params"] - counted("--channels", "1")["params"] == 2 * 64 * 49


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"space": "trionet"}',
        '{"space": "trionet", "stages": []}',
        '{"space": ["trionet"], "stages": []}',
        '{"space": "trionet", "stages": [[{"operator": ["conv"]}], [], [], []]}',
        '{"space": "a\\nb", "stages": [[], [], [], []]}',
    ],
)
def test_a_wrong_file_among_right_ones_is_one_line_and_the_others_are_counted(tmp_path, capsys, content):
    file = tmp_path / "wrong.json"
    file.write_text(content)
    assert main(["count", str(file), "axial-38", "--json"]) == 2
    output = capsys.readouterr()
    assert [json.loads(line)["params"] for line in output.out.splitlines()] == [8_696_648]
    assert len(output.err.splitlines()) == 1
    assert str(file) in output.err


def test_every_wrong_name_is_told_with_the_nearest_good_one(capsys):
    assert main(["count", "resnet50", "resnet-26", "nothing-like-it", "Axial-38"]) == 2
    output = capsys.readouterr()
    assert output.out.startswith("resnet-26: ") and output.out.count("\n") == 1
    first, second, third = output.err.splitlines()
    assert first.startswith("trionet: resnet50: found ") and first.endswith("; the nearest is resnet-50")
    assert second.startswith("trionet: nothing-like-it: ") and "nearest" not in second
    assert third.endswith("; the nearest is axial-38")
    assert main(["retrain", "--architecture", "local26", "--experiment", IMAGENET, "-o", "out"]) == 2
    assert "; the nearest is local-26" in capsys.readouterr().err


def test_what_holds_for_all_networks_is_told_once(capsys):
    for options in (["--size", "0"], ["--task", "tracking"]):
        assert main(["count", "resnet-26", "resnet-50", *options]) == 2
        output = capsys.readouterr()
        assert output.out == "" and output.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["count", "axial-51"],
        ["count", "axial-38", "--classes", "0"],
        ["count", "axial-38", "--size", "-1"],
        ["count", "."],
        ["count", "x" * 5000],
        ["space", "nowhere.yml", "--json"],
        ["space", "."],
    ],
)
def test_wrong_input_is_one_line_and_status_2(capsys, arguments):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("trionet: ")
    assert len(output.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["count"], ["space"], ["nothing"], ["count", "x", "--size", "a"]]
)
def test_a_wrong_command_line_has_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list",
        "tuner: {}",
        "tuner: {classArgs: {space: spaces.nowhere, search: {max_flops: 1.0e+9}}}",
        "tuner: {classArgs: {space: spaces.options, search: {max_flops: 1.0e+9}}}",
        "tuner: {classArgs: {space: spaces.small}}",
        "tuner: {classArgs: {space: spaces.small, search: {max_flops: 1.0e+9, budget: 1}}}",
        "tuner: {classArgs: {space: spaces.small, search: {max_flops: -1}}}",
        "tuner: {classArgs: {space: spaces.small, search: {max_flops: .nan}}}",
        "a: [",
    ],
)
def test_a_wrong_experiment_is_one_line_and_status_2(tmp_path, capsys, text):
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    assert main(["space", str(file), "--json"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1


@pytest.mark.parametrize("module", ["trionet_nni", "trionet_nni.cli"])
def test_the_command_as_a_process_of_its_own(module):
    command = [sys.executable, "-m", module, "count", "resnet-51"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("trionet: ") and len(done.stderr.splitlines()) == 1


def test_a_folder_of_images_tells_its_classes(tmp_path):
    for name in ("ant", "bee", "cat"):
        (tmp_path / "train" / name).mkdir(parents=True)
    text = (ROOT / "experiments" / "cifar10.yml").read_text()
    file = tmp_path / "experiment.yml"
    file.write_text(text.replace("root: datasets/cifar10", f"root: {tmp_path}"))
    assert cost_model(load_experiment(file)).classes == 3
    assert cost_model(load_experiment(IMAGENET)).classes == 1000


def test_the_front_of_an_experiment(tmp_path, capsys):
    store = ResultsStore(tmp_path / "trionet" / "evaluations", "accuracy")
    networks = random_architectures(small.TABLE, 3)
    for network, accuracy, flops in zip(networks, (0.5, 0.4, 0.7), (10, 20, 30), strict=True):
        store.add(Evaluation(network, accuracy, 100, flops, 5, 0.1))
    assert main(["pareto", str(tmp_path), "--json"]) == 0
    front = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["hash"] for result in front] == [networks[0].hash, networks[2].hash]
    assert main(["pareto", str(tmp_path)]) == 0
    assert networks[2].operators in capsys.readouterr().out


def test_a_folder_and_an_architecture_at_once_are_refused(capsys):
    assert main(["retrain", "out/1", "--architecture", "resnet-26"]) == 2
    assert "allowed: one of the two" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["space", "FILE"],
        ["search", "FILE"],
        ["plan", "FILE"],
        ["reproduce", "table3", "--experiment", "FILE"],
        ["retrain", "--architecture", "resnet-26", "--experiment", "FILE", "-o", "out"],
        ["retrain", "NETWORK"],
        ["finetune", "NETWORK"],
    ],
)
def test_a_data_set_that_there_is_not_is_told_before_anything_starts(arguments, tmp_path, capsys):
    text = (ROOT / "experiments" / "quickstart.yml").read_text().replace("name: digits", "name: letters")
    (tmp_path / "a.yml").write_text(text.replace(": ..", f": {ROOT}"))
    recipe = {"epochs": 1, "warmup_epochs": 0}
    config = {"data": {"name": "letters"}, "retrain": recipe, "finetune": recipe}
    (tmp_path / "retrain.yml").write_text(json.dumps(config))
    names = {"FILE": str(tmp_path / "a.yml"), "NETWORK": str(tmp_path), "out": str(tmp_path / "out")}
    assert main([names.get(argument, argument) for argument in arguments]) == 2
    file = tmp_path / ("retrain.yml" if "NETWORK" in arguments else "a.yml")
    said = capsys.readouterr().err
    assert said.startswith(
        f"trionet: {file}: data.name: found 'letters', allowed: digits, folder, stanford"
    )
    assert said.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("package", "extra"), [("pytorch_lightning", "train"), ("nni", "search")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(package, extra, monkeypatch, capsys):
    def missing(options: object) -> int:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr("trionet_nni.commands.verify._run", missing)
    assert main(["verify"]) == 2
    line = f"trionet: found no package {package}, allowed: after pip install 'trionet-nni[{extra}]'\n"
    assert capsys.readouterr().err == line
