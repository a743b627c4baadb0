"""VOC's folder format: what is read, and what is refused before work starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.shapes import CLASSES, write_shapes
from trionet_nni.errors import InputError
from trionet_nni.segmentation.semantic.augment import augmented
from trionet_nni.segmentation.semantic.voc import check, read_list
from trionet_nni.segmentation.shared.backbone import build_backbone
from trionet_nni.segmentation.shared.config import BackboneConfig, RecipeConfig
from trionet_nni.segmentation.shared.picture import open_mask, open_picture

MASKS = ("SegmentationClass", "SegmentationClassAug")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_shapes(tmp_path, train=3, validation=2, size=64)
    return tmp_path


def test_lists_pictures_and_masks(root: Path) -> None:
    pictures = read_list(root, "trainaug", MASKS)
    assert [picture.name for picture in pictures] == ["trainaug_0000", "trainaug_0001", "trainaug_0002"]
    check(pictures, len(CLASSES))
    values = np.unique(np.stack([np.asarray(open_mask(picture.mask)) for picture in pictures]))
    assert {0, 255} < set(values) <= {0, 1, 2, 3, 255}


def test_the_first_folder_that_has_a_mask_is_taken(root: Path) -> None:
    added = root / MASKS[1]
    added.mkdir()
    shutil.copy(root / MASKS[0] / "val_0000.png", added)
    shutil.move(root / MASKS[0] / "val_0001.png", added)
    assert [picture.mask.parent.name for picture in read_list(root, "val", MASKS)] == list(MASKS)


def test_palette_and_grey_masks_are_the_same(root: Path) -> None:
    path = root / MASKS[0] / "val_0000.png"
    grey = np.asarray(open_mask(path))
    palette = Image.fromarray(grey)
    palette.putpalette([255 - i // 3 for i in range(768)])
    palette.save(path)
    assert open_mask(path).mode == "P"
    assert np.array_equal(np.asarray(open_mask(path)), grey)


def refused(root: Path, classes: int = len(CLASSES)) -> str:
    with pytest.raises(InputError) as caught:
        check(read_list(root, "val", MASKS), classes)
    message = str(caught.value)
    assert "\n" not in message and "allowed" in message
    return message


def test_files_that_do_not_fit_are_named_in_one_line(root: Path) -> None:
    assert ", allowed: 0 to 0, or 255 for void" in refused(root, 1)
    mask, picture = (root / f / "val_0001" for f in (MASKS[0], "JPEGImages"))
    good = mask.with_suffix(".png").read_bytes()
    Image.new("L", (64, 63)).save(mask.with_suffix(".png"))
    assert "val_0001.png: size: found 64 × 63, allowed: 64 × 64 as" in refused(root)
    Image.new("RGB", (64, 64)).save(mask.with_suffix(".png"))
    assert "val_0001.png: mode: found RGB, allowed: P or L" in refused(root)
    mask.with_suffix(".png").write_bytes(good[:200])
    assert "val_0001.png: mask: found none" in refused(root)
    mask.with_suffix(".png").unlink()
    assert "SegmentationClass/val_0001.png: found no such file" in refused(root)
    mask.with_suffix(".png").write_bytes(good)
    picture.with_suffix(".jpg").write_bytes(b"no picture")
    assert "val_0001.jpg: picture: found none" in refused(root)
    picture.with_suffix(".jpg").unlink()
    assert "JPEGImages/val_0001.jpg: found no such file" in refused(root)
    listing = root / "ImageSets" / "Segmentation" / "val.txt"
    listing.write_text("\n")
    assert "val.txt: found no name" in refused(root)
    listing.unlink()
    assert "val.txt: cannot be read" in refused(root)


def crop(root: Path, generator: torch.Generator, **recipe: object):
    picture = read_list(root, "val", MASKS)[0]
    backbone = build_backbone(BackboneConfig(network="resnet-26"))
    image, mask = open_picture(picture.image), open_mask(picture.mask)
    return augmented(image, mask, RecipeConfig(**recipe), backbone, generator), backbone, image, mask


def test_without_scale_and_flip_a_crop_as_large_as_the_picture_is_the_picture(root: Path) -> None:
    settings = {"crop_size": 64, "scale": (1.0, 1.0), "flip": False}
    (pixels, classes), backbone, image, mask = crop(root, torch.Generator().manual_seed(1), **settings)
    torch.testing.assert_close(
        pixels, backbone.normalize(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    )
    assert torch.equal(classes, torch.from_numpy(np.array(mask)).long())


def test_picture_and_classes_stay_together(root: Path) -> None:
    """Where the picture is painted by its classes, every crop of it is too."""
    picture = read_list(root, "val", MASKS)[0]
    values = np.asarray(open_mask(picture.mask))
    Image.fromarray(np.stack([values] * 3, -1)).save(picture.image.with_suffix(".png"))
    picture.image.unlink()
    seen = set()
    for seed in range(40):
        settings = {"crop_size": 48, "scale": (1.0, 1.0)}
        (pixels, classes), backbone, _, _ = crop(root, torch.Generator().manual_seed(seed), **settings)
        painted = classes.to(torch.uint8).expand(3, -1, -1)
        torch.testing.assert_close(pixels, backbone.normalize(painted))
        seen.add(pixels.sum().item())
    assert len(seen) > 30


def test_what_a_small_picture_does_not_cover_is_void_and_of_the_mean_colour(root: Path) -> None:
    settings = {"crop_size": 96, "scale": (0.5, 1.0)}
    (pixels, classes), *_ = crop(root, torch.Generator().manual_seed(3), **settings)
    outside = (classes == 255).all(0)
    assert pixels.shape == (3, 96, 96) and 32 <= (~outside).sum() <= 64
    assert (pixels[:, :, outside] == 0).all() and (classes[64:] == 255).all()
