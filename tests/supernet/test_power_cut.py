"""A power cut at any moment of a search or a training: what was finished is there, the rest as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from spaces.small import TABLE
from tests.helpers.power_cut import SEED, PowerCuts
from tests.helpers.supernets import project
from tests.helpers.tiny import CACHE, RECIPE, digits, fresh, small_splits
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.cost import CostModel
from trionet_nni.data.laid_out import Picture
from trionet_nni.data.packed import Format
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.files.atomic import write_json
from trionet_nni.files.weights import read_weights
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore
from trionet_nni.nnictl.search.candidate import CandidateSpace
from trionet_nni.nnictl.search.in_process import InProcessEngine
from trionet_nni.nnictl.search.strategy import build_strategy
from trionet_nni.settings.project import SearchConfig
from trionet_nni.supernet.curve import Curve
from trionet_nni.supernet.folder import CURVE, WEIGHTS, is_complete
from trionet_nni.supernet.results import Evaluation, ResultsStore
from trionet_nni.supernet.train import ensure_supernet
from trionet_nni.training.checkpoints import NAME, AtomicCheckpointIO, newest_checkpoint
from trionet_nni.training.fit import fit

COST = CostModel(classes=10, channels=1, image_size=28)
CANDIDATES = 30


def test_a_search_keeps_what_it_has_finished(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    search = _Search(ExperimentFolder(root / "abc"))
    with PowerCuts(root, search.look, tmp_path) as power:
        search.run()
    print(f"{power.cuts} cuts of a search")
    assert power.cuts > 200


class _Search:
    """A search here, which stores as one under nnictl does, and what it has been promised."""

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder = folder
        self.stored: dict[str, float] = {}
        self.coming: dict[str, float] = {}
        self.states: list[str] = ["null"]  # the last that was written, and the one that is being written

    def run(self) -> None:
        config = SearchConfig(max_flops=2.0e7, population=4, parents=2)
        self.strategy = build_strategy(config, TABLE, COST)
        self.engine = InProcessEngine(self.evaluate, CANDIDATES)
        self.strategy(CandidateSpace(TABLE), self.engine)
        store, (rung,) = FinalistStore(self.folder.finalists), rungs(2, 5)
        networks = [model.architecture for model in self.engine.models[:2]]
        store.choose([networks])
        for network in networks:
            self.coming[network.hash] = 1.5
            store.add(FinalistResult(Training(network, rung), 1.5, 0.5, 10, 1.0))
            self.stored[f"{network.hash}-rung1"] = 1.5

    def evaluate(self, network: Architecture) -> float:
        self.save()
        loss = len(self.stored) + 0.5
        self.coming[network.hash] = loss
        cost = COST(network)
        store = ResultsStore(self.folder.evaluations, "loss")
        store.add(Evaluation(network, 0.5, 10, cost.flops, cost.params, 0.1, loss))
        self.stored[network.hash] = loss
        return -loss

    def save(self) -> None:
        state = self.strategy.state_dict()
        self.states = [self.states[-1], json.dumps(state)]
        write_json(self.folder.strategy, state)
        self.states = self.states[1:]

    def look(self, place: Path) -> None:
        """All that was stored is there, and the state of the search is one that it had."""
        folder = ExperimentFolder(place / "abc")
        found = {one.architecture.hash: one.loss for one in ResultsStore(folder.evaluations, "loss").all()}
        finalists = FinalistStore(folder.finalists)
        for network in (finalists.chosen() or [[]])[0]:
            one = finalists.get(Training(network, rungs(2, 5)[0]))
            found |= {} if one is None else {f"{network.hash}-rung1": one.loss}
        assert self.stored.items() <= found.items(), "a result that was stored is gone"
        names = {name.partition("-")[0] for name in found}
        assert names <= self.coming.keys(), "a result that never was"
        state = folder.strategy.read_text() if folder.strategy.exists() else "null"
        assert json.dumps(json.loads(state)) in self.states


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps of the checkpoint that was written last, and of the one that is being written."""
    steps, usual = [0, 0], AtomicCheckpointIO.save_checkpoint

    def save(self: AtomicCheckpointIO, checkpoint: dict[str, Any], *given: Any, **options: Any) -> None:
        steps[1] = checkpoint["global_step"]
        usual(self, checkpoint, *given, **options)
        steps[0] = steps[1]

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", save)
    return steps


@pytest.mark.slow
def test_a_training_goes_on_from_its_last_checkpoint(
    tmp_path: Path, saved: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "network"
    root.mkdir()

    def look(place: Path) -> None:
        assert _step(place / "runs" / "retrain-seed0") in saved
        assert "damaged" not in capsys.readouterr().err

    train, folder = small_splits().train, root / "runs" / "retrain-seed0"
    with PowerCuts(root, look, tmp_path) as power:
        done = fit(fresh(), RECIPE, train, folder, progress=False, checkpoint_minutes=0)
    assert _step(folder) == saved[0] == done["steps"]
    print(f"{power.cuts} cuts of a training of {done['steps']} steps")
    assert power.cuts > 50


@pytest.mark.slow
def test_a_supernet_goes_on_or_is_complete(tmp_path: Path, saved: list[int]) -> None:
    digits()  # its images are decoded before
    root, config = tmp_path / "supernets", project(curve_points=4)
    root.mkdir()
    directory, points = root / config.supernet_hash(), list[float]()

    def look(place: Path) -> None:
        copy = place / directory.name
        step = _step(copy)
        assert step in saved
        known = {point["step"] for point in Curve(copy / CURVE).points()}
        assert {at for at in points if at < step} <= known, "a point that no training reports again is gone"
        if is_complete(copy, directory.name):
            read_weights(copy / WEIGHTS)

    with PowerCuts(root, look, tmp_path) as power:
        ensure_supernet(config, directory, CACHE, lambda point: points.append(point["step"]))
    assert is_complete(directory, directory.name) and points
    print(f"{power.cuts} cuts of a supernet's training of {saved[0]} steps")
    assert power.cuts > 50


def _step(folder: Path) -> int:
    found = newest_checkpoint(folder / NAME, "test")
    return 0 if found is None else int(found["global_step"])


def test_pictures_are_unpacked_whole_or_once_more(tmp_path: Path) -> None:
    root = tmp_path / "packed"
    root.mkdir()
    (root / "one.toy").touch()
    pictures = [Picture("train", label, f"picture {label}".encode() * 100) for label in ("a", "b", "c")]
    toy = Format("toy", ".toy", lambda root, files: (pictures, None))

    def look(place: Path) -> None:
        if (place / "unpacked" / "unpacked.json").exists():  # it is read as it is
            found = [path.read_bytes() for path in sorted(place.glob("unpacked/train/*/*"))]
            assert found == [picture.data for picture in pictures]

    for number in range(5):  # the same moments, other chances
        with PowerCuts(root, look, tmp_path, SEED + number) as power:
            toy.unpacked(root)
        shutil.rmtree(root / "unpacked")
    assert power.cuts > 5
