"""Export: the folders say and hold what the search measured."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
import yaml
from safetensors.torch import load_file

from strategies.one_shot import TrioNetOneShot, build_supernet
from tests.helpers.checkout import ROOT
from tests.helpers.tiny import RECIPE, digit_folder, small_splits
from tests.helpers.tiny_experiment import CANDIDATES, exported, finished, project
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.budget import budget_name
from trionet_nni.architecture.cost import architecture_cost
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.export.best import export, leftover, print_exported
from trionet_nni.export.card import read_card
from trionet_nni.export.load import load
from trionet_nni.export.settings import read_config
from trionet_nni.nnictl.candidate.scoring import metrics
from trionet_nni.nnictl.manager.rest import Manager
from trionet_nni.nnictl.terminal.watch import Watch
from trionet_nni.report.pareto import pareto
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import SearchConfig, load_experiment, read_yaml
from trionet_nni.supernet.results import ResultsStore
from trionet_nni.training.evaluate import scores
from trionet_nni.training.recalibrate import recalibrate


def test_the_best_come_first_each_in_its_folder() -> None:
    rows = exported()
    assert [row.rank for row in rows] == [1, 2, 3]  # as many as there are
    assert {row.evaluation.architecture for row in rows} == set(CANDIDATES)
    losses = [row.evaluation.loss or 0 for row in rows]
    assert losses == sorted(losses) and losses[0] > 0
    for row in rows:
        assert {path.name for path in row.folder.iterdir()} >= {
            "architecture.json",
            "weights.safetensors",
            "retrain.yml",
            "retrain.sh",
            "card.md",
            "card.json",
        }
        assert Architecture.load(row.folder / "architecture.json") == row.evaluation.architecture
        assert os.access(row.folder / "retrain.sh", os.X_OK)
        assert not [path for path in row.folder.iterdir() if path.name.endswith(".tmp")]


def ranking(experiment: Path, folder: Path) -> list[Architecture]:
    """Who is best, by everything that says it: store, export, front, terminal and portal."""
    run = open_run(ExperimentFolder(experiment))
    by_store = [result.architecture for result in run.results.top(9)]
    assert [row.evaluation.architecture for row in export(experiment, 9, folder)] == by_store
    assert by_store[0] in {row.evaluation.architecture for row in pareto(experiment)}
    manager = SimpleNamespace(
        get=lambda path: {"status": "RUNNING"} if path == "/check-status" else [],
        jobs=list,
        profile=lambda: {"params": {}},
    )
    best = Watch(cast(Manager, manager), run.folder, 1).snapshot().best
    assert best is not None and best.architecture == by_store[0]
    portal = {one.architecture: metrics(one, run.results.metric) for one in run.results.all()}
    assert sorted(portal, key=lambda one: portal[one]["default"], reverse=True) == by_store
    return by_store


@pytest.mark.parametrize("age", ["now", "now, by accuracy", "before there was a choice"])
def test_all_agree_on_who_is_best(tmp_path: Path, age: str) -> None:
    """Losses rank one way here, accuracies the other."""
    root = Path(shutil.copytree(finished().root, tmp_path / "runs" / "mixed001"))
    project_file = root / "trionet" / "project.json"
    settings = json.loads(project_file.read_text())
    if age == "before there was a choice":
        del settings["search"]["metric"]
    elif age == "now, by accuracy":
        settings["search"]["metric"] = "accuracy"
    project_file.write_text(json.dumps(settings))
    store = ResultsStore(root / "trionet" / "evaluations", "accuracy")
    results = sorted(store.all(), key=lambda one: one.flops)
    for number, result in enumerate(results):
        loss = 1.0 + number if age != "before there was a choice" else None
        store.add(replace(result, accuracy=0.5 + number / 10, loss=loss))
    by_loss = [result.architecture for result in results]
    wanted = by_loss if age == "now" else by_loss[::-1]
    assert ranking(root, tmp_path / "out") == wanted
    measured = read_card(tmp_path / "out" / "1").measured
    assert measured is not None and (measured.loss is None) == (age == "before there was a choice")


def test_folders_of_an_earlier_larger_export_are_named(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "2-until-then"):
        (tmp_path / name).mkdir()
    (tmp_path / "4").write_text("no folder")
    assert leftover(exported()[:1], tmp_path) == [tmp_path / "2", tmp_path / "3"]


def test_the_exported_network_scores_what_the_search_measured() -> None:
    for row in exported():
        network = load(row.folder)
        again = scores(network, small_splits().search)
        assert again.accuracy == row.evaluation.accuracy
        assert again.loss == pytest.approx(row.evaluation.loss, rel=1e-5)


def test_logits_are_those_of_the_supernet() -> None:
    """The whole supernet, its choices set to the architecture and its BN recalibrated, gives the same."""
    config, splits = project(), small_splits()
    strategy = TrioNetOneShot(config.supernet, load_table(config.space))
    supernet = strategy.mutate_model(build_supernet(config, splits))
    directory = finished().supernet_directory(config.supernet_hash())
    inputs = splits.search.normalized(slice(0, 8))
    for row in exported():
        supernet.load_state_dict(load_file(directory / "supernet.safetensors"))
        sample = row.evaluation.architecture.to_sample()
        for module in supernet.modules():
            if hasattr(module, "resample"):
                module.resample(memo=dict(sample))
        recalibrate(supernet, splits.recalibration)
        with torch.no_grad():
            torch.testing.assert_close(
                load(row.folder)(inputs), supernet.eval()(inputs), rtol=1e-5, atol=1e-5
            )


def test_the_card_says_what_was_measured_on_what() -> None:
    for row in exported():
        card, result = read_card(row.folder), row.evaluation
        cost = architecture_cost(result.architecture, image_size=28, classes=10, channels=3)
        network = load(row.folder)
        assert (card.flops, card.params) == (cost.flops, cost.params)
        assert card.params == sum(p.numel() for p in network.parameters())
        assert card.measured is not None
        assert (card.measured.accuracy, card.measured.loss) == (result.accuracy, result.loss)
        assert card.measured.images == 40
        assert card.operators == [[b.operator for b in stage] for stage in result.architecture.stages]
        assert card.seeds == {"data": 0, "supernet": 0, "search": 7}
        assert card.data == small_splits().record
        assert card.class_names == list(small_splits().class_names)
        torch.testing.assert_close(torch.tensor(card.mean), small_splits().train.mean)
        text = (row.folder / "card.md").read_text(encoding="utf-8")
        measured = f"{result.accuracy:.4f} on 40 images"
        loss = f"| loss on the same images | {result.loss:.4f} |"
        for fact in (f"{cost.flops:,}", f"{cost.params:,}", measured, loss, "search 7"):
            assert fact in text


def test_retrain_yml_is_complete() -> None:
    data = yaml.safe_load((exported()[0].folder / "retrain.yml").read_text(encoding="utf-8"))
    assert data["data"]["root"] == str(digit_folder().resolve())
    assert data["retrain"] == RECIPE.model_dump()
    assert data["architecture"] == "architecture.json"


def test_the_table_names_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    print_exported(exported(), Path("out"))
    output = capsys.readouterr().out
    assert "bash out/1/retrain.sh" in output
    best = exported()[0].evaluation
    assert f"{best.accuracy:.4f}" in output and f"{best.loss:.4f}" in output


def test_exporting_again_keeps_what_was_trained(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(finished().root, 2, out)
    (out / "1" / "retrained.safetensors").write_bytes(b"trained for days")
    export(finished().root, 2, out)
    assert (out / "1" / "retrained.safetensors").exists()
    shutil.copy(out / "2" / "architecture.json", out / "1" / "architecture.json")  # now another network's
    export(finished().root, 2, out)
    assert not (out / "1" / "retrained.safetensors").exists()
    aside = [path for path in out.iterdir() if path.name.startswith("1-until-")]
    assert [(path / "retrained.safetensors").read_bytes() for path in aside] == [b"trained for days"]


def test_an_experiment_is_found_by_nnis_id(tmp_path: Path) -> None:
    record = {"tiny0001": {"logDir": str(finished().root.parent), "status": "DONE"}}
    (tmp_path / ".experiment").write_text(json.dumps(record))
    assert find_run("tiny0001", tmp_path).root == finished().root
    with pytest.raises(InputError, match="experiment: found 'other', allowed: an id that nnictl"):
        find_run("other", tmp_path)


def test_an_experiment_without_results_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "copy"
    shutil.copytree(finished().root, copy)
    with pytest.raises(InputError, match="--top: found 0"):
        export(copy, 0, tmp_path)
    for file in ResultsStore(copy / "trionet" / "evaluations", "loss").folder.iterdir():
        file.unlink()
    with pytest.raises(InputError, match="found no evaluation"):
        export(copy, 1, tmp_path)
    (copy / "trionet" / "supernet.json").write_text(json.dumps({"directory": str(tmp_path), "hash": ""}))
    with pytest.raises(InputError, match=r"supernet\.safetensors: found nothing"):
        export(copy, 1, tmp_path)
    (copy / "trionet" / "project.json").write_text("{")
    with pytest.raises(InputError, match=r"project\.json: found no readable JSON"):
        export(copy, 1, tmp_path)


def under(budgets: tuple[float, ...], folder: Path) -> Path:
    """The finished experiment, as if it had been run under these budgets."""
    copy = folder / "tiny0002"
    shutil.copytree(finished().root, copy)
    file = copy / "trionet" / "project.json"
    search = SearchConfig.model_validate({"budgets": budgets}).model_dump(mode="json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "search": search}))
    return copy


def test_each_budget_has_a_folder_with_its_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    store, out = ResultsStore(finished().evaluations, "loss"), tmp_path / "out"
    low = float(min(result.flops for result in store.all()))
    experiment, name = under((1e3, low, 1e9), tmp_path), budget_name(low)
    for stale in ("7", "5M/1", "1B/3", "notes/1"):
        (out / stale).mkdir(parents=True)
    assert main(["export", str(experiment), "--top", "2", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    expected = {
        f"{budget}/{rank}": result.architecture
        for budget, limit in ((name, low), ("1B", 1e9))
        for rank, result in enumerate(store.top(2, limit), 1)
    }
    assert len(expected) == 3  # one network within the smaller, two of three within the larger
    for place, architecture in expected.items():
        assert Architecture.load(out / place / "architecture.json") == architecture
        assert load(out / place).architecture == architecture
        assert read_card(out / place).origin["budget"] == f"{place.split('/')[0]} FLOPs"
        cache = out / place / read_config(out / place / "retrain.yml").cache
        assert cache.resolve() == (out / ".cache").resolve()  # one for all
    winners = [out / name / "1", out / "1B" / "1"]
    assert re.findall(r"bash (\S+)", said) == [str(folder / "retrain.sh") for folder in winners]
    stale_ones = " ".join(str(out / stale) for stale in ("7", "1B/3", "5M/1"))
    assert f"left as they were: {stale_ones}\n" in said
    assert f"No result within {budget_name(1e3)} yet" in said
    front = said.split("Exported networks")[0]
    for row in pareto(experiment):
        (line,) = [line for line in front.splitlines() if f" {row.evaluation.flops / 1e6:,.1f} " in line]
        assert budget_name(row.budget or 0) in line
        if row.best_of:
            assert str(out / budget_name(row.best_of[0]) / "1") in line


def test_one_budget_has_the_folders_of_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(under((1e9,), tmp_path)), "--top", "1", "-o", str(out)]) == 0
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == ["1"]
    assert "Quality against cost" not in capsys.readouterr().out
    assert "budget" not in read_card(out / "1").origin
    assert read_config(out / "1" / "retrain.yml").cache == "../.cache"


def test_shipped_experiments_are_read() -> None:
    files = (ROOT / "experiments").glob("*.yml")
    experiments = [path for path in files if "tuner" in read_yaml(path)]  # the others are segmentation runs
    assert len(experiments) >= 3
    for path in experiments:
        load_experiment(path)
