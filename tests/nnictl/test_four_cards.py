"""Real nnictl experiments on a machine that seems to have GPUs: which cards every trial may use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import four_cards
from tests.helpers.checkout import ROOT
from tests.helpers.toy_experiment import ToyExperiment
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_experiment
from trionet_nni.experiment.open import open_experiment

pytestmark = pytest.mark.slow(seconds=60)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyExperiment]:
    """An experiment where NNI's probe finds cards; what is checked before it starts believes it, too."""
    experiment = ToyExperiment(tmp_path, monkeypatch)
    probe = tmp_path / "probe"
    probe.mkdir()
    shutil.copyfile(four_cards.__file__, probe / "pynvml.py")
    experiment.set(PYTHONPATH=f"{probe}:{ROOT}", TOY_SECONDS="1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    try:
        yield experiment
    finally:
        experiment.close()


def run(toy: ToyExperiment, concurrency: int, trials: int, service: dict[str, Any], **search: Any) -> None:
    """A search whose trials take a card each, and whose supernet two."""
    recipe = {"epochs": 1, "batch_size": 64, "micro_batch": 32, "warmup_epochs": 0}
    nni = {"trialGpuNumber": 1, "trialConcurrency": concurrency}
    nni |= {"trainingService": {"platform": "local", **service}}
    toy.write(trials=trials, nni=nni, supernet={"devices": 2, "recipe": recipe}, **search)
    toy.create()
    toy.wait("DONE")


def cards(toy: ToyExperiment, kind: str) -> dict[str, set[str]]:
    """Cards that the evaluations, or the supernet's processes, could use, each with its trials."""
    found: dict[str, set[str]] = {}
    for seen, trial in toy.calls(f"{kind}-sees"):
        found.setdefault(seen, set()).add(trial)
    return found


def test_every_card_is_used_and_has_an_evaluator_of_its_own(toy: ToyExperiment) -> None:
    """More trials at once than cards, one of which somebody else uses, too; the supernet has them all."""
    toy.set(CARDS_BUSY="1")
    run(toy, 5, 13, {"useActiveGpu": True})
    found = cards(toy, "evaluate")
    assert found.keys() == {"0", "1", "2", "3"}
    assert sum(map(len, found.values())) == len(toy.store) == 12
    evaluators = {path.stem for path in toy.experiment_folder.evaluators.glob("*.log")}
    assert evaluators == {f"gpu-{number}" for number in range(4)}
    assert [seen for seen, _ in toy.calls("train-sees")] == ["all"] * 2


def test_cards_that_are_named_and_free(toy: ToyExperiment) -> None:
    toy.set(CARDS_BUSY="1")
    run(toy, 3, 7, {"gpuIndices": [1, 2, 3], "useActiveGpu": False}, warm=False)
    assert cards(toy, "evaluate").keys() == {"2", "3"}
    assert [seen for seen, _ in toy.calls("train-sees")] == ["1,2,3"] * 2


def test_the_only_card_of_a_machine_is_used(toy: ToyExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """NNI's own scheduler refuses whoever asks for all cards, and then its manager stands still."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    toy.set(CARDS="1")
    run(toy, 2, 5, {"useActiveGpu": True})
    assert cards(toy, "evaluate").keys() == {"0"} and len(toy.store) == 4


def test_evaluators_that_stay_need_cards_that_others_may_use(toy: ToyExperiment) -> None:
    service = {"platform": "local", "trialGpuNumber": 1, "useActiveGpu": False}
    line = r"useActiveGpu: found false, allowed: true, because evaluators stay"
    with pytest.raises(InputError, match=line) as error:
        check_experiment(open_experiment(toy.write(nni={"trainingService": service})))
    assert "\n" not in str(error.value)
    check_experiment(open_experiment(toy.write(nni={"trainingService": service}, warm=False)))
