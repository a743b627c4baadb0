"""The cards of the supernet's trial, which runs alone: NNI gives every trial as many, usually one."""

from __future__ import annotations

import os

from trionet_nni.nnictl.manager.rest import Manager


def take_cards(devices: int) -> None:
    """Let this trial see all cards that its experiment may use, where its supernet wants more than one.

    To be called before CUDA is used. `trainingService.gpuIndices` says which they are; without it, all.

    Raises:
        OSError: the manager does not answer.
    """
    channel = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "")
    if devices == 1 or not channel.startswith("http"):
        return
    service = Manager.of_trial(channel).profile()["params"].get("trainingService") or {}
    indices = service.get("gpuIndices") if isinstance(service, dict) else None
    if indices is not None:
        named = indices if isinstance(indices, list) else [indices]  # NNI takes a number or text as well
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, named))
    else:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
