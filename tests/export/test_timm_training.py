"""One epoch as timm's own training script does it: its data, optimizer, schedule, average and checkpoints.

The script itself is no part of timm's package; these are the parts that it puts together.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trionet_nni
from tests.helpers.class_folders import write_class_folders

timm = pytest.importorskip("timm")
for _part in ("data", "optim", "scheduler", "utils"):
    pytest.importorskip(f"timm.{_part}")
trionet_nni.register_with_timm()
CLASSES, SIZE = ["triangle", "square"], 32
SMALL = {  # a network of all three operators
    "space": "trionet-small",
    "stages": [
        [{"operator": "conv", "expansion": 0.25, "kernel": 3}],
        [{"operator": "local", "expansion": 0.25, "kernel": 3, "qk": 1.0, "v": 1.0, "heads": 4}],
        [{"operator": "axial", "expansion": 0.25, "qk": 1.0, "v": 1.0, "heads": 4}],
    ],
}


def loader(folder: Path, split: str, model: nn.Module, training: bool) -> Any:
    config = timm.data.resolve_data_config({"img_size": SIZE}, model=model)
    names = ("input_size", "mean", "std", "interpolation", "crop_pct")
    return timm.data.create_loader(
        timm.data.create_dataset("", root=str(folder), split=split, is_training=training),
        batch_size=8,
        is_training=training,
        num_workers=0,
        persistent_workers=False,
        use_prefetcher=False,
        device=torch.device("cpu"),
        **{name: config[name] for name in names},
    )


@torch.no_grad()
def loss_on(batches: Any, model: nn.Module) -> float:
    model.eval()
    losses = [nn.functional.cross_entropy(model(x), y, reduction="sum") for x, y in batches]
    return float(sum(losses)) / len(batches.dataset)


def test_an_epoch_of_timms_training_teaches_and_its_checkpoint_loads(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pictures", SIZE, "RGB", 48, CLASSES)
    settings = {"architecture": SMALL, "num_classes": len(CLASSES), "img_size": SIZE}
    model = timm.create_model("trionet", drop_path_rate=0.1, **settings)
    train = loader(tmp_path / "pictures", "train", model, True)
    seen = loader(tmp_path / "pictures", "train", model, False)
    before = loss_on(seen, model)
    optimizer = timm.optim.create_optimizer_v2(model, "adamw", lr=1e-2, weight_decay=0.05, layer_decay=0.75)
    rates = {group["lr_scale"] for group in optimizer.param_groups}
    assert len(rates) > 3  # by depth, which `group_matcher` tells
    schedule, _ = timm.scheduler.create_scheduler_v2(optimizer, num_epochs=10)
    average = timm.utils.ModelEmaV3(model, decay=0.9)
    about = Namespace(model="trionet")
    saver = timm.utils.CheckpointSaver(
        model, optimizer, about, model_ema=average, checkpoint_dir=str(tmp_path)
    )
    for epoch in range(10):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            average.update(model)
        schedule.step(epoch + 1)
        saver.save_checkpoint(epoch, metric=-loss_on(seen, model))
    after = loss_on(seen, model)
    assert after < before - 0.03
    again = timm.create_model("trionet", checkpoint_path=str(tmp_path / "last.pth.tar"), **settings)
    assert loss_on(seen, again) == pytest.approx(loss_on(seen, average.module), rel=1e-4)  # it holds both
