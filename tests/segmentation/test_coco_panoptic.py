import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.panoptic_folder import SAMPLE, drawn_ids, real_sample, write_folder
from trionet_nni.errors import InputError
from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic, decode_ids, encode_ids
from trionet_nni.segmentation.panoptic.panoptic import IGNORE, Panoptic, Segment
from trionet_nni.segmentation.panoptic.panoptic_crop import (
    View,
    crop_pixels,
    crop_segments,
    random_view,
    whole_view,
)


def opened(root):
    return CocoPanoptic(root / "annotations" / "panoptic_tiny.json", root / "tiny")


def test_a_folder_is_read_as_it_was_written(tmp_path):
    write_folder(tmp_path)
    data = opened(tmp_path)
    assert len(data) == 2 and [record.image_id for record in data] == [10, 11]
    assert data.categories.labels == {3: 0, 7: 1, 90: 2}
    assert data.categories.things.tolist() == [True, True, False]
    image, panoptic = data.read(1)
    assert image.size == (40, 30) and image.mode == "RGB"
    assert torch.equal(panoptic.ids, torch.from_numpy(drawn_ids(1)))
    assert Segment(5, 0, crowd=True) in panoptic.segments
    labels = panoptic.labels()
    assert labels[0, 0] == IGNORE and labels[29, 0] == 2 and labels[9, 5] == 1 and labels[12, 31] == 0


def test_ids_are_the_three_bytes_of_a_colour():
    ids = torch.tensor([[0, 1, 255, 256], [65535, 65536, 2**24 - 1, 3937500]], dtype=torch.int32)
    image = encode_ids(ids)
    assert image.getpixel((3, 0)) == (0, 1, 0) and image.getpixel((1, 1)) == (0, 0, 1)
    assert torch.equal(decode_ids(image), ids)


def test_the_real_samples_agree_with_their_own_areas():
    data = real_sample()
    assert len(data.categories) == 133 and int(data.categories.things.sum()) == 80
    stated = {
        segment["id"]: segment["area"]
        for annotation in json.loads((SAMPLE / "panoptic_examples.json").read_text())["annotations"]
        if annotation["image_id"] == data[0].image_id
        for segment in annotation["segments_info"]
    }
    _, panoptic = data.read(0)
    counted = dict(zip(*(x.tolist() for x in torch.unique(panoptic.ids, return_counts=True)), strict=True))
    counted.pop(0, None)
    assert counted == stated


def change(path, *keys, to):
    data = json.loads(path.read_text())
    *way, last = keys
    entry = data
    for key in way:
        entry = entry[key]
    entry[last] = to
    path.write_text(json.dumps(data))


FIRST = ("annotations", 0, "segments_info", 0)


@pytest.mark.parametrize(
    ("keys", "to", "message"),
    [
        (
            (*FIRST, "category_id"),
            4,
            r"json: annotations\[0\]\.segments_info\[0\]\.category_id: found 4, ",
        ),
        ((*FIRST, "id"), 258, r"segments_info\[2\]\.id: found 258 a second time"),
        ((*FIRST, "id"), 2**24, r"segments_info\[0\]\.id: found 16777216, allowed: 1 to 16777215"),
        ((*FIRST, "iscrowd"), 2, r"segments_info\[0\]\.iscrowd: found 2, allowed: 0 or 1"),
        (("annotations", 1, "image_id"), 12, r"annotations\[1\]\.image_id: found 12, allowed: an id of"),
        (("annotations", 1, "image_id"), 10, r"annotations\[1\]\.image_id: found 10 a second time"),
        (
            ("annotations", 0, "file_name"),
            "../x.png",
            r"file_name: found '\.\./x\.png', allowed: a name without",
        ),
        (("annotations",), [], r"json: annotations: found none, allowed: one or more"),
        (("annotations",), None, r"json: annotations: found nothing, allowed: a list"),
        (("annotations", 0), 5, r"annotations\[0\]: found 5, allowed: an object"),
        (("images", 0, "width"), "40", r"images\[0\]\.width: found '40', allowed: a whole number"),
        (("images", 0, "height"), 0, r"images\[0\]\.width, height: found 40 × 0, allowed: 1 × 1 or more"),
        (("images", 1, "id"), 10, r"images\[1\]\.id: found 10 a second time"),
        (("categories", 0, "isthing"), None, r"categories\[0\]\.isthing: found nothing, allowed: 0 or 1"),
        (("categories", 1, "id"), 3, r"categories\[1\]\.id: found 3 a second time"),
        (("categories",), [], r"json: categories: found 0, allowed: 1 to 255"),
    ],
)
def test_a_bad_json_gets_one_clear_line(tmp_path, keys, to, message):
    path = write_folder(tmp_path)
    change(path, *keys, to=to)
    with pytest.raises(InputError, match=message) as error:
        opened(tmp_path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_another_file_is_no_annotation(tmp_path, text):
    path = write_folder(tmp_path)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"panoptic_tiny.json: found .* allowed: "):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["annotations/panoptic_tiny/picture1.png", "tiny/picture0.jpg"])
def test_a_missing_file_is_told_before_training(tmp_path, name):
    write_folder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: found no such file, allowed: .* image 1[01]"):
        opened(tmp_path)


def test_a_missing_folder_is_told(tmp_path):
    path = write_folder(tmp_path)
    with pytest.raises(InputError, match="nowhere: cannot be read as a folder"):
        CocoPanoptic(path, tmp_path / "nowhere")


def save(tmp_path, ids):
    encode_ids(torch.from_numpy(ids)).save(tmp_path / "annotations" / "panoptic_tiny" / "picture0.png")


def test_a_png_of_another_size_or_with_other_ids_is_refused(tmp_path):
    write_folder(tmp_path)
    data = opened(tmp_path)
    save(tmp_path, drawn_ids(0)[:, 1:])
    with pytest.raises(InputError, match=r"picture0.png: size: found 39 × 30, allowed: 40 × 30"):
        data.read(0)
    save(tmp_path, np.where(drawn_ids(0) == 5, 6, drawn_ids(0)))
    with pytest.raises(InputError, match=r"picture0.png: id: found 6, allowed: ids in segments_info"):
        data.read(0)
    save(tmp_path, np.where(drawn_ids(0) == 5, 258, drawn_ids(0)))
    with pytest.raises(InputError, match=r"picture0.png: id: found no pixel of segment 5, allowed: "):
        data.read(0)


def test_a_damaged_picture_or_one_of_another_size_is_refused(tmp_path):
    write_folder(tmp_path)
    data = opened(tmp_path)
    path = tmp_path / "tiny" / "picture0.jpg"
    Image.new("RGB", (41, 30)).save(path)
    with pytest.raises(InputError, match=r"picture0.jpg: size: found 41 × 30, allowed: 40 × 30"):
        data.read(0)
    with pytest.raises(InputError, match=r"picture0.jpg: size: found 41 × 30, allowed: 40 × 30"):
        data.check_sizes()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"picture0.jpg: "):
        data.read(0)


def test_the_whole_view_at_scale_one_changes_nothing_but_the_padding(tmp_path):
    write_folder(tmp_path)
    image, panoptic = opened(tmp_path).read(0)
    view = whole_view(40, 30, 40)
    pixels, shown = crop_pixels(image, view, 40, (1, 2, 3)), crop_segments(panoptic, view, 40)
    assert torch.equal(pixels[:, :30], torch.from_numpy(np.array(image)).permute(2, 0, 1))
    assert torch.equal(shown.ids[:30], panoptic.ids) and not shown.ids[30:].any()
    assert pixels[:, 30:].flatten(1).unique(dim=1).tolist() == [[1], [2], [3]]


def test_a_flipped_view_mirrors_picture_and_segments_alike(tmp_path):
    write_folder(tmp_path)
    image, panoptic = opened(tmp_path).read(0)
    plain, mirrored = View(60, 45, 12, 7), View(60, 45, 12, 7, flip=True)
    assert torch.equal(
        crop_pixels(image, plain, 32, (0, 0, 0)).flip(-1), crop_pixels(image, mirrored, 32, (0, 0, 0))
    )
    ids = crop_segments(panoptic, plain, 32).ids
    assert torch.equal(ids.flip(-1), crop_segments(panoptic, mirrored, 32).ids)


def test_picture_and_segments_stay_together_in_any_random_view():
    ids = torch.from_numpy(np.kron(np.arange(1, 13).reshape(3, 4), np.ones((20, 20))).astype(np.int32))
    image = Image.fromarray(np.repeat((ids.numpy() * 20)[..., None], 3, -1).astype(np.uint8))
    panoptic = Panoptic(ids, tuple(Segment(i, 0) for i in ids.unique().tolist()))
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        view = random_view(80, 60, 48, generator)
        pixels = crop_pixels(image, view, 48, (0, 0, 0))[0].float() / 20
        shown = crop_segments(panoptic, view, 48)
        assert 24 <= max(view.width, view.height) <= 96
        assert {s.id for s in shown.segments} == set(shown.ids.unique().tolist()) - {0}
        # Only the pixels at a border between two colours may be mixed.
        assert ((pixels - shown.ids).abs() < 0.5).float().mean() > 0.8


def test_views_are_a_function_of_the_generator():
    def views(seed):
        generator = torch.Generator().manual_seed(seed)
        return [random_view(640, 427, 320, generator) for _ in range(20)]

    assert views(1) == views(1) != views(2)
    assert {view.flip for view in views(1)} == {True, False}
