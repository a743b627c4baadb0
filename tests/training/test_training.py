"""Batches, augmentation, recipe, BN recalibration and evaluation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.helpers.tiny import alikeness, digits, network, small_splits
from trionet_nni.data.images import ImageSet
from trionet_nni.data.stores import FileStore
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import replacing, write_json, write_tensors, write_text
from trionet_nni.settings.project import RecipeConfig
from trionet_nni.training.augment import AUGMENTATIONS, flip, shift
from trionet_nni.training.batches import StepBatches, needed_workers, step_loader
from trionet_nni.training.evaluate import accuracy, scores
from trionet_nni.training.jitter import jitter
from trionet_nni.training.recalibrate import batch_norms, recalibrate
from trionet_nni.training.recipe import optimizer, schedule, total_steps


@pytest.mark.parametrize("augment", sorted(AUGMENTATIONS))
def test_a_batch_is_a_function_of_seed_and_step(augment: str) -> None:
    one = StepBatches(digits().train, 64, augment, 5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    wanted = [one[step] for step in range(60)]
    assert torch.equal(torch.get_rng_state(), before)  # the global generator is left alone
    torch.manual_seed(2)
    other = StepBatches(digits().train, 64, augment, 5)
    for step in (59, 0, 50, 7, 49):
        images, labels = other[step]
        assert torch.equal(images, wanted[step][0]) and torch.equal(labels, wanted[step][1])
    different = StepBatches(digits().train, 64, augment, 6)[7]
    assert not torch.equal(different[1], wanted[7][1])
    assert images.shape == (64, 1, 28, 28) and images.dtype == torch.float32


def test_an_epoch_shows_every_image_at_most_once() -> None:
    images = digits().train
    batches = StepBatches(images, 100, "none", 0)
    assert batches.steps_per_epoch == 35
    orders = []
    for epoch in range(2):
        inputs = torch.cat([batches[epoch * 35 + step][0] for step in range(35)])
        orders.append([image.numpy().tobytes() for image in inputs])
    everything = {image.numpy().tobytes() for image in images.normalized(slice(None))}
    assert all(set(order) <= everything and len(set(order)) == 3500 for order in orders)
    assert orders[0] != orders[1]


def test_labels_stay_with_their_images() -> None:
    images = digits().train
    label_of = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(images.normalized(slice(None)), images.labels, strict=True)
    }
    inputs, labels = StepBatches(images, 256, "none", 3)[40]
    assert [label_of[image.numpy().tobytes()] for image in inputs] == labels.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_starts_in_the_middle_and_counts_from_the_beginning(workers: int) -> None:
    batches = StepBatches(small_splits().train, 16, "shift-flip", 0)
    before = torch.get_rng_state()
    loader = step_loader(batches, 5, 9, workers)
    got = list(loader)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(loader) == 9 and len(got) == 4
    for step, (images, labels) in enumerate(got, 5):
        assert torch.equal(images, batches[step][0]) and torch.equal(labels, batches[step][1])


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match=r"^recipe\.batch_size: found 161, allowed: up to the 160"):
        StepBatches(small_splits().train, 161, "none", 0)
    assert StepBatches(small_splits().train, 160, "none", 0).steps_per_epoch == 1


def test_a_shift_moves_each_image_by_itself() -> None:
    pixels = digits().train.images[:40]
    moved = shift(pixels, torch.Generator().manual_seed(0))
    offsets = set()
    for image, result in zip(pixels, moved, strict=True):
        padded = nn.functional.pad(image, (3, 3, 3, 3))
        found = [
            (y, x)
            for y in range(7)
            for x in range(7)
            if torch.equal(padded[:, y : y + 28, x : x + 28], result)
        ]
        assert found
        offsets.add(found[0])
    assert len(offsets) > 20


def test_a_flip_mirrors_about_half() -> None:
    pixels = digits().train.images[:400]
    flipped = flip(pixels, torch.Generator().manual_seed(0))
    mirrored = [torch.equal(a.flip(-1), b) for a, b in zip(pixels, flipped, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(pixels, flipped, strict=True)]
    assert all(a or b for a, b in zip(mirrored, kept, strict=True))
    assert 150 < sum(mirrored) < 250


def test_crops_in_memory_are_the_part_they_say() -> None:
    images = digits().train
    whole = torch.tensor([[1.0, 1.0, 0.3, 0.9]] * 8)
    assert torch.equal(images.pixels(slice(0, 8), whole), images.pixels(slice(0, 8)))
    quarter = torch.tensor([[0.25, 1.0, 1.0, 0.0]] * 8)  # the upper right quarter
    got = images.pixels(slice(0, 8), quarter).float()
    corner = images.pixels(slice(0, 8))[:, :, :14, 14:].float()
    pooled = nn.functional.avg_pool2d(got, 2)
    assert alikeness(pooled, corner) > 0.95
    assert alikeness(pooled, images.pixels(slice(0, 8))[:, :, :14, :14]) < 0.5


@given(
    epochs=st.floats(0.05, 20), warmup=st.floats(0, 0.9), steps=st.integers(1, 40), peak=st.floats(1e-4, 2)
)
@settings(max_examples=50, deadline=None)
def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine(
    epochs: float, warmup: float, steps: int, peak: float
) -> None:
    recipe = RecipeConfig(epochs=epochs, warmup_epochs=warmup * epochs, learning_rate=peak)
    total, rising = total_steps(recipe, steps), round(warmup * epochs * steps)
    sgd = optimizer(recipe, [nn.Parameter(torch.zeros(1))])
    if rising and rising >= total:
        with pytest.raises(InputError, match=r"^recipe\.warmup_epochs"):
            schedule(recipe, sgd, steps)
        return
    rates = schedule(recipe, sgd, steps)
    for step in range(total):
        phase = (step - rising) / (total - rising)
        factor = (step + 1) / rising if step < rising else 0.5 + 0.5 * math.cos(math.pi * phase)
        assert sgd.param_groups[0]["lr"] == pytest.approx(peak * factor)
        sgd.step()
        rates.step()
    assert sgd.param_groups[0]["lr"] == 0


def test_the_optimizer_is_the_recipes() -> None:
    recipe = RecipeConfig(momentum=0.8, weight_decay=1e-3)
    group = optimizer(recipe, [nn.Parameter(torch.zeros(1))]).param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.8, True, 1e-3)
    assert optimizer(recipe, [nn.Parameter(torch.zeros(1))], 0.0).param_groups[0]["weight_decay"] == 0
    plain = optimizer(RecipeConfig(momentum=0), [nn.Parameter(torch.zeros(1))])
    assert not plain.param_groups[0]["nesterov"]


def test_the_optimizer_takes_nesterovs_step() -> None:
    recipe = RecipeConfig(learning_rate=0.3, momentum=0.9, weight_decay=0.1)
    weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    sgd, expected, velocity = optimizer(recipe, [weight]), weight.detach().clone(), torch.zeros(2)
    for step in range(4):
        gradient = torch.tensor([1.0, 0.5]) * (step + 1)
        weight.grad = gradient.clone()
        sgd.step()
        decayed = gradient + 0.1 * expected
        velocity = 0.9 * velocity + decayed
        expected = expected - 0.3 * (decayed + 0.9 * velocity)
    torch.testing.assert_close(weight.detach(), expected)


def test_recalibration_of_one_layer_is_the_statistics_of_its_input() -> None:
    images = digits().recalibration
    layer = nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5, momentum=0.3))
    layer[1].running_mean.fill_(7)
    recalibrate(layer, images, batch_size=1000)  # one batch
    with torch.no_grad():
        features = layer[0](images.normalized(slice(None)))
    torch.testing.assert_close(layer[1].running_mean, features.mean((0, 2, 3)))
    torch.testing.assert_close(layer[1].running_var, features.transpose(0, 1).flatten(1).var(1))
    assert layer[1].momentum == 0.3


@pytest.mark.parametrize("size", [64, 100, 256])
def test_recalibration_is_the_average_over_batches_weighted_by_their_images(size: int) -> None:
    images = digits().recalibration
    net = network(digits(), dropout=0.5).train()
    for layer in batch_norms(net):
        nn.init.ones_(layer.weight)
    recalibrate(net, images, size)
    assert all(module.training for module in net.modules())
    wanted: dict[nn.Module, list[Tensor]] = {layer: [] for layer in batch_norms(net)}

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # By torch's own sums: over 200,000 positions of a channels-last map they are right to 4 digits.
        mean, variance = torch.zeros(2, inputs[0].shape[1])
        nn.functional.batch_norm(inputs[0], mean, variance, training=True, momentum=1.0)
        wanted[layer].append(torch.stack([mean, variance]) * len(inputs[0]) / len(images))

    hooks = [layer.register_forward_pre_hook(look) for layer in wanted]
    stored = {layer: (layer.running_mean.clone(), layer.running_var.clone()) for layer in wanted}
    net.eval()
    for layer in wanted:
        layer.train()
    with torch.no_grad():
        for part in torch.arange(len(images)).tensor_split(-(-len(images) // size)):
            net(images.normalized(part))
    for hook in hooks:
        hook.remove()
    for layer, parts in wanted.items():
        mean, variance = torch.stack(parts).sum(0)
        torch.testing.assert_close(stored[layer][0], mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(stored[layer][1], variance, rtol=1e-4, atol=1e-5)


def test_recalibration_forgets_what_was_there_and_changes_no_weight() -> None:
    images = digits().recalibration
    net = network(digits())
    weights = {name: p.detach().clone() for name, p in net.named_parameters()}
    recalibrate(net, images)
    first = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for layer in batch_norms(net):
        layer.running_var.fill_(9)
    recalibrate(net, images)
    assert all(torch.equal(first[name], tensor) for name, tensor in net.state_dict().items())
    assert all(torch.equal(weights[name], p) for name, p in net.named_parameters())


def test_a_supernets_block_is_told_to_keep_statistics() -> None:
    class Tracker(nn.Module):
        track_statistics = False
        seen: bool | None = None

        def forward(self, x: Tensor) -> Tensor:
            self.seen = self.track_statistics
            return x

    tracker = Tracker()
    recalibrate(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), tracker), digits().recalibration)
    assert tracker.seen is True and tracker.track_statistics is False


def test_accuracy_is_the_share_of_right_answers() -> None:
    splits = digits()
    net = network(splits).train()
    with torch.no_grad():
        right = net.eval()(splits.search.normalized(slice(None))).argmax(1) == splits.search.labels
    net.train()
    assert accuracy(net, splits.search, 37) == pytest.approx(right.float().mean().item(), abs=1e-6)
    assert net.training


@pytest.mark.parametrize("batch", [37, 256, 500])  # the last one smaller, or all at once
def test_the_loss_is_the_mean_cross_entropy_whatever_the_batches(batch: int) -> None:
    splits = digits()
    net = network(splits).eval()
    with torch.no_grad():
        logits = net(splits.search.normalized(slice(None))).double()
    chances = logits.softmax(1)[torch.arange(500), splits.search.labels]
    found = scores(net, splits.search, batch)
    assert found.loss == pytest.approx(-chances.log().mean().item(), rel=1e-6)
    assert found.accuracy == accuracy(net, splits.search)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": math.nan})

    def stop_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert path.read_bytes() == before
    write_text(path, "µ")
    assert path.read_text(encoding="utf-8") == "µ"
    write_tensors(tmp_path / "t.safetensors", {"x": torch.ones(3, 4).t()})
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.json", "new", "t.safetensors"]


def test_jitter_changes_each_image_by_its_own_factors_and_no_shapes() -> None:
    picture = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8, generator=torch.manual_seed(0))
    out = jitter(picture.repeat(8, 1, 1, 1), torch.Generator().manual_seed(1))
    assert out.shape == (8, 3, 16, 16) and out.dtype == torch.uint8
    means = out.float().mean((1, 2, 3))
    assert len(set(means.tolist())) == 8
    assert (means / picture.float().mean()).sub(1).abs().max() < 0.45  # brightness up to 0.4


def test_steps_take_the_place_of_epochs() -> None:
    assert total_steps(RecipeConfig(epochs=3), 10) == 30
    assert total_steps(RecipeConfig(epochs=3, steps=7), 10) == 7


@pytest.mark.parametrize(
    "cores, processes, workers", [(2, 1, 1), (64, 1, 16), (8, 1, 7), (64, 8, 7), (8, 8, 1), (4, 8, 1)]
)
def test_processes_that_train_together_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, workers: int
) -> None:
    images = ImageSet(
        FileStore((Path("x.jpg"),) * 64, 72),
        torch.arange(64),
        torch.zeros(64),
        torch.ones(3),
        torch.ones(3),
    )
    batches = StepBatches(images, 16, "none", 0)
    if processes > 1:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "together")
        for name, value in (("RANK", 0), ("WORLD_SIZE", processes), ("LOCAL_WORLD_SIZE", processes)):
            monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert needed_workers(batches) == workers
