"""Decoded images beside the experiments, so that only the first process of all decodes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trionet_nni.data.images import statistics
from trionet_nni.data.source import Source
from trionet_nni.data.stores import Store
from trionet_nni.files.atomic import write_json, write_tensors

_SAMPLE = 2048  # images whose mean and deviation stand for a data set that is not in memory


def decoded(source: Source, image_size: int, cache: Path) -> tuple[Tensor, Tensor]:
    """All images and labels of a source: (uint8 [N, C, S, S], int64 [N]).

    Raises:
        InputError: an image cannot be read.
    """
    name = hashlib.sha256(f"{source.key} {image_size}".encode()).hexdigest()[:16]
    path = Path(cache) / f"{name}.safetensors"
    try:
        tensors = load_file(path)
        return tensors["images"], tensors["labels"]
    except (OSError, SafetensorError, KeyError):
        images, labels = source.read()  # not there, or damaged: decode
    write_tensors(path, {"images": images, "labels": labels}, {"source": source.key})
    return images, labels


def sampled_statistics(source: Source, store: Store, train: Tensor, cache: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the first images of a (shuffled) training split that is too big to read."""
    sample = train[:_SAMPLE]
    text = f"{source.key} {store.image_size} {sample.tolist()}"
    path = Path(cache) / f"statistics-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return torch.tensor(data["mean"]), torch.tensor(data["std"])
    except (OSError, ValueError, KeyError):
        mean, std = statistics(store, sample)
    write_json(path, {"mean": mean.tolist(), "std": std.tolist()})
    return mean, std
