import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.panoptic_folder import real_sample, write_folder
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.errors import InputError
from trionet_nni.operators.axial import Axial
from trionet_nni.operators.conv import Conv
from trionet_nni.operators.local import Local
from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic
from trionet_nni.segmentation.panoptic.grouping import Grouping, assign, find_centres, group, merge
from trionet_nni.segmentation.panoptic.losses import (
    HEAT_WEIGHT,
    OFFSET_WEIGHT,
    bootstrapped_cross_entropy,
    panoptic_loss,
)
from trionet_nni.segmentation.panoptic.model import PanopticHead, Prediction
from trionet_nni.segmentation.panoptic.overlay import borders, overlay
from trionet_nni.segmentation.panoptic.panoptic import IGNORE, Panoptic, Segment
from trionet_nni.segmentation.panoptic.quality import CocoPanopticQuality
from trionet_nni.segmentation.panoptic.targets import Targets, heat_map, panoptic_targets
from trionet_nni.segmentation.panoptic.task import build
from trionet_nni.segmentation.shared.backbone import build_backbone
from trionet_nni.segmentation.shared.config import (
    BackboneConfig,
    DataConfig,
    RecipeConfig,
    SegmentationConfig,
)

THINGS = torch.tensor([True, True, False])
_CONV = Conv(0.25, 3)
TINY = Architecture(
    "trionet",
    (
        (_CONV,),
        (_CONV, Local(0.25, 3, 1.0, 1.0, 4)),
        (_CONV, Axial(0.25, 0.5, 1.0, 4)),
        (_CONV,),
    ),
)


def tiny_panoptic():
    """Two things, a crowd, grass, void."""
    ids = torch.zeros(48, 64, dtype=torch.int32)
    ids[24:] = 9
    ids[4:20, 6:17] = 1
    ids[30:40, 40:45] = 2
    ids[10:30, 50:62] = 3
    return Panoptic(ids, (Segment(9, 2), Segment(1, 0), Segment(2, 1), Segment(3, 0, crowd=True)))


def test_targets_point_from_every_pixel_of_an_instance_to_its_centre_of_mass():
    panoptic = tiny_panoptic()
    targets = panoptic_targets(panoptic, THINGS)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    for number, centre in ((1, (11.5, 11.0)), (2, (34.5, 42.0))):
        mask = panoptic.ids == number
        reached = torch.stack((rows + targets.offset[0], columns + targets.offset[1]))[:, mask]
        torch.testing.assert_close(reached.mean(1), torch.tensor(centre))
        assert reached.std(1).max() < 1e-4
    on_things = (panoptic.ids == 1) | (panoptic.ids == 2)
    assert torch.equal(targets.offset_weight.bool(), on_things)
    assert not targets.offset[:, ~on_things].any()


def test_crowds_and_void_train_nothing():
    panoptic = tiny_panoptic()
    targets = panoptic_targets(panoptic, THINGS)
    left_out = (panoptic.ids == 0) | (panoptic.ids == 3)
    assert torch.equal(targets.semantic == IGNORE, left_out)
    assert torch.equal(targets.centre_weight == 0, left_out)
    assert targets.semantic[panoptic.ids == 9].unique().tolist() == [2]


def test_small_instances_weigh_three_times():
    ids = torch.zeros(128, 128, dtype=torch.int32)
    ids[:64, :64], ids[70:100, 70:100], ids[110:] = 1, 2, 3
    targets = panoptic_targets(Panoptic(ids, (Segment(1, 0), Segment(2, 0), Segment(3, 2))), THINGS)
    weight = {number: targets.semantic_weight[ids == number].unique().tolist() for number in range(4)}
    assert weight == {0: [1.0], 1: [1.0], 2: [3.0], 3: [1.0]}


def test_the_heat_map_is_the_largest_gaussian_of_sigma_eight():
    centres = torch.tensor([[10.0, 12.0], [14.2, 30.6], [0.0, 63.0]])
    heat = heat_map(centres, 48, 64)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    expected = torch.zeros(48, 64)
    for row, column in centres.round().tolist():
        near = ((rows - row).abs() <= 24) & ((columns - column).abs() <= 24)
        gaussian = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 8**2)) * near
        expected = torch.maximum(expected, gaussian)
    torch.testing.assert_close(heat, expected)
    assert heat[10, 12] == heat[14, 31] == heat[0, 63] == 1
    assert not heat_map(centres[:0], 5, 6).any()


def test_a_crop_without_any_segment_has_targets():
    targets = panoptic_targets(Panoptic(torch.zeros(8, 8, dtype=torch.int32), ()), THINGS)
    assert (targets.semantic == IGNORE).all() and not targets.centre.any()
    losses = panoptic_loss(
        Prediction(torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8), torch.ones(1, 2, 8, 8)),
        Targets(*(part[None] for part in targets)),
    )
    assert losses.total == 0


def test_grouping_undoes_the_targets():
    panoptic = tiny_panoptic()
    targets = panoptic_targets(panoptic, THINGS)
    semantic = torch.where(targets.semantic == IGNORE, 2, targets.semantic)
    found = group(semantic, targets.centre, targets.offset, THINGS, Grouping(stuff_area=1))
    assert sorted(segment.label for segment in found.segments) == [0, 1, 2]
    for segment in found.segments:
        true = {0: 1, 1: 2}.get(segment.label)
        mask = panoptic.ids == true if true else (panoptic.ids != 1) & (panoptic.ids != 2)
        assert torch.equal(found.ids == segment.id, mask)


def test_centres_are_hot_and_the_hottest_around_and_the_hottest_come_first():
    heat = torch.zeros(40, 40)
    heat[5, 5], heat[5, 8], heat[5, 9], heat[20, 20], heat[30, 39] = 0.5, 0.4, 0.3, 0.9, 0.1
    assert find_centres(heat).tolist() == [[20, 20], [5, 5], [5, 9]][:2]
    heat[5, 9] = 0.45
    assert find_centres(heat).tolist() == [[20, 20], [5, 5], [5, 9]]
    assert find_centres(heat, Grouping(centres=1)).tolist() == [[20, 20]]
    assert find_centres(heat, Grouping(threshold=0.05)).tolist()[-1] == [30, 39]
    assert find_centres(torch.zeros(4, 4)).shape == (0, 2)


def test_pixels_go_to_the_centre_nearest_to_where_they_point():
    offset = torch.randn(2, 20, 30) * 5
    centres = torch.tensor([[3, 4], [15, 25], [10, 10]])
    mask = torch.rand(20, 30) > 0.3
    instance = assign(offset, centres, mask)
    for row, column in ((0, 0), (7, 20), (19, 29)):
        goal = torch.tensor([row, column]) + offset[:, row, column]
        nearest = ((centres - goal) ** 2).sum(1).argmin() + 1
        assert instance[row, column] == (nearest if mask[row, column] else 0)
    assert not assign(offset, centres[:0], mask).any()


def test_an_instance_has_the_class_of_most_pixels_and_little_stuff_is_void():
    semantic = torch.full((10, 10), 2)
    semantic[:4] = 0
    semantic[3, :5] = 1
    instance = torch.zeros(10, 10, dtype=torch.int64)
    instance[:4] = 1
    panoptic = merge(semantic, instance, THINGS, 61)
    assert [segment.label for segment in panoptic.segments] == [0]
    assert (panoptic.ids[:4] == panoptic.segments[0].id).all() and not panoptic.ids[4:].any()
    assert [segment.label for segment in merge(semantic, instance, THINGS, 60).segments] == [0, 2]


def test_things_without_an_instance_are_void():
    panoptic = merge(torch.zeros(4, 4).long(), torch.zeros(4, 4).long(), THINGS, 1)
    assert panoptic.segments == () and not panoptic.ids.any()


def test_cross_entropy_is_the_mean_of_the_hardest_fifth():
    logits, labels = torch.randn(2, 3, 5, 10), torch.randint(0, 3, (2, 5, 10))
    labels[0, 0] = IGNORE
    weight = torch.rand(2, 5, 10) + 1
    losses = -logits.log_softmax(1).gather(1, labels.clamp(max=2)[:, None])[:, 0] * weight
    losses[labels == IGNORE] = 0
    expected = losses.flatten().sort(descending=True).values[:20].mean()
    torch.testing.assert_close(bootstrapped_cross_entropy(logits, labels, weight), expected)


def test_losses_of_centre_and_offset_are_weighted_means_over_what_is_known():
    targets = Targets(*(part[None] for part in panoptic_targets(tiny_panoptic(), THINGS)))
    prediction = Prediction(torch.zeros(1, 3, 48, 64), targets.centre + 0.1, targets.offset + 0.5)
    losses = panoptic_loss(prediction, targets)
    torch.testing.assert_close(losses.centre, torch.tensor(HEAT_WEIGHT * 0.01))
    torch.testing.assert_close(losses.offset, torch.tensor(OFFSET_WEIGHT * 1.0))
    torch.testing.assert_close(losses.total, sum(losses))


@pytest.mark.parametrize("size", [(64, 64), (70, 101), (33, 47)])
def test_the_head_answers_at_the_size_of_any_picture(size):
    channels, strides = (8, 12, 16, 24), (4, 8, 16, 32)
    head = PanopticHead(channels, strides, 5)
    stages = [
        torch.randn(2, width, *(-(-side // stride) for side in size))
        for width, stride in zip(channels, strides, strict=True)
    ]
    prediction = head(stages, size)
    shapes = [tuple(part.shape) for part in prediction]
    assert shapes == [(2, 5, *size), (2, *size), (2, 2, *size)]
    sum(part.sum() for part in prediction).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_one_picture_is_enough_to_train_the_head():
    head = PanopticHead((8, 8, 8, 8), (4, 8, 16, 32), 3)
    stages = [torch.randn(1, 8, 64 // stride, 64 // stride) for stride in (4, 8, 16, 32)]
    assert head(stages, (64, 64)).semantic.isfinite().all()


def test_a_backbone_of_three_stages_is_refused():
    with pytest.raises(InputError, match="found 3 stages of strides 2, 4, 8, allowed: four"):
        PanopticHead((8, 8, 8), (2, 4, 8), 3)


def test_overlays_paint_segments_and_leave_void():
    panoptic = tiny_panoptic()
    pixels = torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8)
    painted = overlay(pixels, panoptic)
    edge = borders(panoptic.numbers())
    assert (painted[:, edge] == 255).all() and edge.any()
    void = (panoptic.ids == 0) & ~edge
    assert torch.equal(painted[:, void], pixels[:, void])
    assert not torch.equal(painted, pixels) and painted.dtype == torch.uint8
    plain = overlay(torch.zeros_like(pixels), panoptic)
    colours = {tuple(plain[:, panoptic.ids == n][:, 0].tolist()) for n in (1, 2, 3, 9)}
    assert len(colours) == 4
    with pytest.raises(ValueError, match="pixels: found"):
        overlay(pixels[:, 1:], panoptic)


def configuration(root, path, **recipe):
    path.write_text(TINY.to_json())
    settings = {"crop_size": 64, "batch_size": 2, "iterations": 4, "optimizer": "adam", "weight_decay": 0}
    return SegmentationConfig(
        task="panoptic",
        backbone=BackboneConfig(network=str(path), image_size=64),
        data=DataConfig(
            format="coco-panoptic", root=str(root), train="panoptic_tiny", validation="panoptic_tiny"
        ),
        recipe=RecipeConfig(**(settings | recipe)),
    )


def tiny_task(tmp_path, **recipe):
    write_folder(tmp_path)
    config = configuration(tmp_path, tmp_path / "network.json", **recipe)
    return build(config, build_backbone(config.backbone))


def test_examples_are_a_function_of_their_generator(tmp_path):
    task = tiny_task(tmp_path)
    first, again, other = (task.example(0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["image"], other["image"])
    assert {name: tuple(value.shape) for name, value in first.items()} == {
        "image": (3, 64, 64),
        "semantic": (64, 64),
        "semantic_weight": (64, 64),
        "centre": (64, 64),
        "centre_weight": (64, 64),
        "offset": (2, 64, 64),
        "offset_weight": (64, 64),
    }


def test_a_task_learns_two_small_pictures_and_tells_its_quality(tmp_path):
    task = tiny_task(tmp_path, scale=(1.0, 1.0), flip=False)
    batch = {
        name: torch.stack([task.example(i, torch.Generator())[name] for i in range(2)])
        for name in task.example(0, torch.Generator())
    }
    optimizer = torch.optim.Adam(task.model.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        parts = task.loss(batch)
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        losses.append(parts["loss"].item())
    assert losses[-1] < 0.5 * losses[0]
    task.model.eval()
    for index in range(2):
        name, pixels = task.validation_picture(index)
        assert name == f"picture{index}" and pixels.shape == (3, 30, 40)
        prediction = task.predict(pixels)
        assert prediction.ids.shape == (30, 40)
        task.update(index, prediction)
    assert 0 <= task.compute()["PQ"] <= 100
    for index in range(2):
        truth = task.truth(index)
        task.update(index, truth)
    assert task.compute()["PQ"] == 100


def test_a_task_is_rebuilt_from_its_description(tmp_path):
    task = tiny_task(tmp_path)
    description = json.loads(json.dumps(task.description()))
    again = build(task.config, build_backbone(task.config.backbone), description)
    assert again.categories.all == task.categories.all
    assert (again.training_pictures, again.validation_pictures) == (0, 0)
    again.model.load_state_dict(task.model.state_dict())
    pixels = torch.randint(0, 256, (3, 50, 80), dtype=torch.uint8)
    task.model.eval(), again.model.eval()
    assert torch.equal(task.predict(pixels).ids, again.predict(pixels).ids)


def test_the_identity_changes_with_pictures_and_categories(tmp_path):
    task = tiny_task(tmp_path)
    path = tmp_path / "annotations" / "panoptic_tiny.json"
    before, data = task.identity(), json.loads(path.read_text())
    data["annotations"] = data["annotations"][:1]
    path.write_text(json.dumps(data))
    assert build(task.config, task.backbone).identity() != before


def test_two_sets_with_other_categories_are_refused(tmp_path):
    task = tiny_task(tmp_path)
    data = json.loads((tmp_path / "annotations" / "panoptic_tiny.json").read_text())
    data["categories"][0]["name"] = "cube"
    (tmp_path / "annotations" / "panoptic_other.json").write_text(json.dumps(data))
    (tmp_path / "annotations" / "panoptic_other").symlink_to("panoptic_tiny")
    (tmp_path / "other").symlink_to("tiny")
    config = task.config.model_copy(
        update={"data": task.config.data.model_copy(update={"validation": "panoptic_other"})}
    )
    with pytest.raises(InputError, match=r"panoptic_other.json: categories: found other ones"):
        build(config, task.backbone)


def check_written(task, folder, truths):
    """What was written reads back as it was, and scores 100 against itself."""
    again = CocoPanoptic(folder / "panoptic.json", folder / "images")
    quality = CocoPanopticQuality(task.categories.things)
    assert again.categories.all == task.categories.all
    for index, truth in enumerate(truths):
        _, panoptic = again.read(index)
        assert torch.equal(panoptic.ids, truth.ids) and set(panoptic.segments) == set(truth.segments)
        quality.update(panoptic, truth)
    assert quality.compute()["PQ"] == 100


def test_predictions_are_written_in_the_format_of_coco(tmp_path):
    task = tiny_task(tmp_path / "data")
    folder = tmp_path / "out"
    writer = task.writer(folder)
    truths = [task.truth(index) for index in range(2)]
    for index, truth in enumerate(truths):
        writer.add(*task.validation_picture(index), truth)
    writer.close()
    (folder / "images").symlink_to(tmp_path / "data" / "tiny")
    check_written(task, folder, truths)
    entry = json.loads((folder / "panoptic.json").read_text())["annotations"][0]
    assert entry["image_id"] == 10 and entry["file_name"] == "picture0.png"
    box = next(segment for segment in entry["segments_info"] if segment["id"] == 258)
    assert (box["category_id"], box["area"], box["bbox"]) == (7, 84, [15, 8, 7, 12])
    assert Image.open(folder / "overlays" / "picture0.png").size == (40, 30)


def test_the_areas_and_boxes_of_the_real_samples_are_those_of_coco(tmp_path):
    from tests.helpers.panoptic_folder import SAMPLE
    from trionet_nni.segmentation.panoptic.coco_format import segments_info

    data = real_sample()
    stated = {
        annotation["image_id"]: {segment["id"]: segment for segment in annotation["segments_info"]}
        for annotation in json.loads((SAMPLE / "panoptic_examples.json").read_text())["annotations"]
    }
    for index in range(2):
        found = segments_info(data.read(index)[1], data.categories)
        assert {entry["id"]: entry for entry in found} == stated[data[index].image_id]


def test_perfect_outputs_at_the_size_of_the_crop_group_to_the_real_segments():
    """The targets of the real samples, put through the grouping, give back all things but the crowds."""
    data = real_sample()
    quality = CocoPanopticQuality(data.categories.things)
    for index in range(2):
        _, truth = data.read(index)
        targets = panoptic_targets(truth, data.categories.things)
        unseen = next(s.label for s in truth.segments if data.categories[s.label].name == "grass-merged")
        semantic = torch.where(targets.semantic == IGNORE, unseen, targets.semantic)
        quality.update(group(semantic, targets.centre, targets.offset, data.categories.things), truth)
    result = quality.compute()
    assert result["PQ-things"] == 100 and result["PQ"] > 95
    assert np.isfinite(list(result.values())).all()
