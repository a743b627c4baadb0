"""Processes that train a supernet together, watched: what each had at the end, one killed on the way.

As a plug-in (`supernet.strategy`) it trains as the project's own does, and obeys what `NOTES` says:
{"stop": step to end after, "kill": [rank, step]}.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.counted import Counted
from spaces import tiny
from strategies import one_shot
from strategies.sandwich_module import SandwichModule
from tests.helpers.elastic import supernet_of
from tests.helpers.supernets import project
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.training.share import Share, this_share

NOTES, LOSSES = "notes.json", "losses.jsonl"
PARTS, IMAGES = 4, 8


def train_supernet(config: ProjectConfig, directory: Path, report: one_shot.Report) -> None:
    """The project's, watched."""
    notes = json.loads((directory / NOTES).read_text())
    share = this_share()
    usual = SandwichModule.training_step

    def step(self: SandwichModule, batch: Any, batch_idx: int) -> Any:
        number, killed = self.trainer.global_step, directory / "killed"
        if notes.get("kill") == [share.rank, number] and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        loss = usual(self, batch, batch_idx)
        if share.rank == 0:
            with (directory / LOSSES).open("a") as file:
                file.write(json.dumps([number, float(loss), share.world]) + "\n")
        return loss

    def over(self: SandwichModule) -> None:
        # BN's running statistics are of what each has seen; who uses the weights measures them anew.
        weights = [p.detach().numpy().tobytes() for p in self.model.parameters()]
        digest = hashlib.sha256(b"".join(weights))
        (directory / f"weights-{share.rank}-of-{share.world}").write_text(digest.hexdigest())

    SandwichModule.training_step, SandwichModule.on_train_end = step, over  # type: ignore[method-assign]
    try:
        one_shot.train_supernet(config, directory, report, stop_after_steps=notes.get("stop"))
    finally:
        SandwichModule.training_step = usual  # type: ignore[method-assign]
        del SandwichModule.on_train_end


def joint_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of a whole step, in float64."""
    random = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, 1, 28, 28, dtype=torch.float64, generator=random)
    return images, torch.arange(IMAGES)


def gradients(rank: int, world: int, rendezvous: str, results: str) -> None:
    """One step's gradients and losses of a process's share, averaged with the others'; what was sent."""
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world)
    settings = project().supernet
    task = one_shot.SupernetTask(settings.recipe, 10)
    task.set_model(supernet_of(tiny.build, tiny.TABLE))
    module = one_shot.TrioNetOneShot(settings, tiny.TABLE).configure_oneshot_module(task).double()
    module.manual_backward = lambda loss: loss.backward()
    module.parts, module.share = PARTS, Share(rank, world)
    batch = tuple(tensor.chunk(world)[rank] for tensor in joint_batch())
    with patch.object(torch.distributed, "all_reduce", Counted(torch.distributed.all_reduce)) as calls:
        losses = module.accumulate(batch, module.draw(0), number=3)
    found = {name: p.grad for name, p in module.model.named_parameters() if p.grad is not None}
    reduced = torch.tensor(calls.bytes)
    torch.save({"reduced": reduced, "losses": losses, **found}, f"{results}{rank}")
    if world > 1:
        torch.distributed.destroy_process_group()
