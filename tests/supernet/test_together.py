"""A supernet that several processes train is the one that a single process trains on the whole batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing

from strategies.one_shot import train_supernet
from tests.helpers import ranks
from tests.helpers.supernets import project
from tests.helpers.tiny import small_splits
from trionet_nni.errors import InputError
from trionet_nni.plan.measure import _recipe as plan_recipe
from trionet_nni.settings.project import ProjectConfig, parse_project
from trionet_nni.supernet.curve import Curve
from trionet_nni.supernet.together import train_together
from trionet_nni.training.batches import StepBatches
from trionet_nni.training.share import ALONE, Share

STEPS = 20


@pytest.mark.parametrize("world", [1, 2, 4])
def test_shares_put_together_are_the_batch_of_one(world: int) -> None:
    images = small_splits().train

    def batches(share: Share) -> StepBatches:
        return StepBatches(images, 16, "shift-flip", 5, micro_batch=4, share=share)

    whole = batches(ALONE)
    for step in (0, 3, whole.steps_per_epoch + 1):
        pieces = [batches(Share(rank, world))[step] for rank in range(world)]
        for joined, expected in zip(map(torch.cat, zip(*pieces, strict=True)), whole[step], strict=True):
            assert torch.equal(joined, expected)


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_gradients_are_those_of_one_process_with_the_joint_batch(tmp_path: Path, world: int) -> None:
    ranks.gradients(0, 1, "", f"{tmp_path}/alone")
    arguments = (world, f"file://{tmp_path}/rendezvous", f"{tmp_path}/rank")
    multiprocessing.spawn(ranks.gradients, arguments, nprocs=world)
    expected = torch.load(tmp_path / "alone0", weights_only=True)
    assert not len(expected.pop("reduced"))
    for rank in range(world):
        found = torch.load(tmp_path / f"rank{rank}", weights_only=True)
        only_what_was_used(found.pop("reduced"), list(found.values()))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-10, rtol=1e-10, msg=name)


def only_what_was_used(reduced: torch.Tensor, averaged: list[torch.Tensor]) -> None:
    """A step's gradients travel once, in one bucket as they are few, without those of idle weights."""
    assert len(reduced) == 1
    used = sum(int(value.count_nonzero()) for value in averaged)
    assert used <= int(reduced) // averaged[0].element_size() < sum(value.numel() for value in averaged)


def shared(devices: int) -> ProjectConfig:
    """Batches of 16 in four parts."""
    config = project(STEPS, strategy="tests.helpers.ranks", devices=1)
    recipe = config.supernet.recipe.model_copy(update={"micro_batch": 4, "learning_rate": 0.01})
    supernet = config.supernet.model_copy(update={"recipe": recipe, "devices": devices})
    return config.model_copy(update={"supernet": supernet})


def train(directory: Path, devices: int, **notes: object) -> list[dict[str, float]]:
    """Train in so many processes; the points that were reported."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ranks.NOTES).write_text(json.dumps(notes))
    points: list[dict[str, float]] = []
    config, curve = shared(devices), Curve(directory / "curve.jsonl")
    if devices == 1:
        ranks.train_supernet(config, directory, points.append)
    else:
        train_together(config, directory, curve, points.append)
    return points


def losses(directory: Path) -> tuple[dict[int, float], list[int]]:
    """The last loss of each step, and by how many processes it was taken."""
    lines = [json.loads(line) for line in (directory / ranks.LOSSES).read_text().splitlines()]
    known = {number: (loss, world) for number, loss, world in lines}
    return {n: known[n][0] for n in sorted(known)}, [known[n][1] for n in sorted(known)]


@pytest.mark.slow(seconds=110)
def test_other_numbers_of_processes_and_a_killed_one_leave_the_curve_as_it_is(tmp_path: Path) -> None:
    """One process; then two, of which one is killed, then one, then four, from checkpoint to checkpoint."""
    alone, many = tmp_path / "supernets" / "alone", tmp_path / "supernets" / "many"
    (point,) = train(alone, 1)
    assert train(many, 2, stop=8, kill=[1, 4]) == []
    assert (many / "killed").exists()
    assert train(many, 1, stop=13) == []
    (other,) = train(many, 4)
    assert other == pytest.approx(point, abs=0.05)  # of 40 images
    expected, found = losses(alone)[0], losses(many)[0]
    assert losses(many)[1] == [2] * 8 + [1] * 5 + [4] * 7
    assert list(found) == list(expected) == list(range(STEPS))
    assert found == pytest.approx(expected, rel=1e-5)
    assert len({(many / f"weights-{rank}-of-4").read_text() for rank in range(4)}) == 1
    assert json.loads((many / "complete.json").read_text())["steps"] == STEPS


@pytest.mark.parametrize(
    ("recipe", "devices", "line"),
    [
        (
            {"batch_size": 16, "micro_batch": 5},
            1,
            r"micro_batch: found 5, allowed: a divisor of batch_size",
        ),
        ({"batch_size": 16, "micro_batch": 4}, 3, "a multiple of the 3 devices; it is 4"),
        ({"batch_size": 16}, 2, "a multiple of the 2 devices; it is 1"),
    ],
)
def test_what_cannot_be_shared_is_one_line(recipe: dict[str, int], devices: int, line: str) -> None:
    given = {"space": "spaces.tiny", "supernet": {"recipe": recipe, "devices": devices}}
    given |= {"data": {}, "search": {"max_flops": 1e9}}
    with pytest.raises(InputError, match=line) as error:
        parse_project(given, "my.yml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("section", ["retrain", "finetune"])
def test_who_trains_one_network_takes_no_parts(section: str) -> None:
    given = {"space": "spaces.tiny", "search": {"max_flops": 1e9}, section: {"micro_batch": 4}}
    with pytest.raises(InputError, match=rf"{section}\.micro_batch: found 4, allowed: no such key"):
        parse_project(given, "my.yml")


@pytest.mark.parametrize(("batch", "taken"), [(None, 16), (8, 8), (7, 4), (2, 4)])
def test_a_plan_measures_whole_parts(batch: int | None, taken: int) -> None:
    recipe = plan_recipe(shared(1).supernet.recipe, batch)
    assert (recipe.batch_size, recipe.parts) == (taken, taken // 4)


def test_a_batch_as_a_whole_and_one_device_have_the_names_of_before() -> None:
    config = project()
    assert "micro_batch" not in config.supernet.recipe.identity()
    supernet = config.supernet.model_copy(update={"devices": 4})
    assert config.model_copy(update={"supernet": supernet}).supernet_hash() == config.supernet_hash()


def test_more_devices_than_cards_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    line = r"supernet\.devices: found 4, allowed: up to the 2 GPUs of this machine"
    with pytest.raises(InputError, match=line):
        train_together(shared(4), tmp_path, Curve(tmp_path / "curve"), lambda point: None)


def test_a_single_process_takes_the_parts_one_after_the_other(tmp_path: Path) -> None:
    config = shared(1)
    train_supernet(config, tmp_path / "supernets" / "one", lambda point: None, stop_after_steps=2)
    assert (tmp_path / "supernets" / "one" / "last.ckpt").exists()
