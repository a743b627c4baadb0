"""Small COCO-panoptic folders for tests, and the real sample where it is at hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.checkout import SHARED_DATA
from trionet_nni.segmentation.panoptic.coco_panoptic import CocoPanoptic, encode_ids

SAMPLE = SHARED_DATA / "coco-panoptic-sample"

CATEGORIES = [
    {"id": 3, "name": "ball", "isthing": 1},
    {"id": 7, "name": "dog", "isthing": 1},
    {"id": 90, "name": "grass", "isthing": 0},
]
RUN = """
task: panoptic
backbone: {network: network.json, image_size: 64}
data: {format: coco-panoptic, root: data, train: panoptic_tiny, validation: panoptic_tiny}
panoptic: {sigma: 3.0, stuff_area: 10}
recipe: {optimizer: adam, learning_rate: 1.0e-3, weight_decay: 0.0, batch_size: 1, iterations: 3,
         crop_size: 64}
evaluate_every: 2
"""
BLOCK = {"operator": "conv", "expansion": 0.25, "kernel": 3}
NETWORK = {"space": "trionet", "stages": [[BLOCK], [BLOCK, BLOCK], [BLOCK] * 3, [BLOCK]]}


def real_sample() -> CocoPanoptic:
    """The two pictures of COCO that come with the project; the test is skipped without them."""
    if not SAMPLE.is_dir():
        pytest.skip(f"the real COCO samples are not at {SAMPLE}: nothing was compared with them")
    return CocoPanoptic(SAMPLE / "panoptic_examples.json", SAMPLE / "input_images")


def drawn_ids(number: int) -> np.ndarray:
    """[30, 40]: grass below, two things, a crowd at the right, and void above."""
    ids = np.zeros((30, 40), np.int32)
    ids[12:] = 1_000_003
    ids[5 + number : 15, 4:12] = 70_000
    ids[8:20, 15:22] = 258
    ids[10:25, 30:38] = 5
    return ids


def segments() -> list[dict]:
    return [
        {"id": 1_000_003, "category_id": 90, "iscrowd": 0},
        {"id": 70_000, "category_id": 7, "iscrowd": 0},
        {"id": 258, "category_id": 7, "iscrowd": 0},
        {"id": 5, "category_id": 3, "iscrowd": 1},
    ]


def document() -> dict:
    return {
        "images": [
            {"id": 10 + i, "file_name": f"picture{i}.jpg", "width": 40, "height": 30} for i in range(2)
        ],
        "annotations": [
            {"image_id": 10 + i, "file_name": f"picture{i}.png", "segments_info": segments()}
            for i in range(2)
        ],
        "categories": CATEGORIES,
    }


def write_folder(root: Path) -> Path:
    """JSON, PNG folder and pictures of a data set "tiny" where COCO has them; gives the JSON's path."""
    annotations, pictures = root / "annotations", root / "tiny"
    (annotations / "panoptic_tiny").mkdir(parents=True)
    pictures.mkdir()
    for i in range(2):
        ids = drawn_ids(i)
        encode_ids(torch.from_numpy(ids)).save(annotations / "panoptic_tiny" / f"picture{i}.png")
        colours = np.stack([ids * 37 % 251, ids * 91 % 239, ids % 199], -1).astype(np.uint8)
        Image.fromarray(colours).save(pictures / f"picture{i}.jpg")
    path = annotations / "panoptic_tiny.json"
    path.write_text(json.dumps(document()))
    return path
