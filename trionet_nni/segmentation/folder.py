"""The folder of a run: settings, what prediction must know, weights and results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_json, write_tensors
from trionet_nni.files.text import read_json
from trionet_nni.files.weights import check_weights, kinds, read_weights
from trionet_nni.segmentation.file import read_config, write_config
from trionet_nni.segmentation.registry import build_task
from trionet_nni.segmentation.shared.backbone import Backbone, described, restored
from trionet_nni.segmentation.shared.config import SegmentationConfig
from trionet_nni.segmentation.shared.task import SegmentationTask

# What may change on the way.
_FREE = {"evaluate_every", "validation_pictures", "checkpoint_minutes", "devices", "logger"}


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of a run."""

    root: Path

    @property
    def settings(self) -> Path:
        """The configuration, with absolute paths."""
        return self.root / "segment.yml"

    @property
    def network(self) -> Path:
        """Backbone and classes: what prediction must know beside the weights."""
        return self.root / "network.json"

    @property
    def weights(self) -> Path:
        """Weights of the whole model, once the run is at its end."""
        return self.root / "weights.safetensors"

    @property
    def result(self) -> Path:
        """Steps, seconds and metrics of the finished run."""
        return self.root / "result.json"

    def begin(self, config: SegmentationConfig, backbone: Backbone, task: SegmentationTask[Any]) -> None:
        """Write settings and network.

        Raises:
            InputError: the folder holds another run.
        """
        if self.settings.exists() and _essence(read_config(self.settings)) != _essence(config):
            raise InputError(
                f"{self.settings}: found another run's settings, allowed: a new folder, or this run's"
            )
        write_config(self.settings, config)
        deep_stem = config.backbone.stem == "deep"
        document = {"backbone": described(backbone, deep_stem), "labels": task.description()}
        write_json(self.network, document)

    def finish(self, task: SegmentationTask[Any], result: Mapping[str, Any]) -> None:
        """Write weights and result; from now on the run counts as finished."""
        write_tensors(self.weights, task.model.state_dict())
        write_json(self.result, result)

    def open(self, *, data: bool) -> SegmentationTask[Any]:
        """The task of a finished run with its weights, in evaluation mode.

        Args:
            data: whether the run's pictures are looked for too, to evaluate.

        Raises:
            InputError: the folder is not a finished run's, or the data cannot be used.
        """
        if not self.weights.exists():
            raise InputError(f"{self.weights}: found nothing, allowed: a run that has come to its end")
        config = read_config(self.settings)
        try:
            document = read_json(self.network, "a run's")
            backbone = restored(document["backbone"])
            task = build_task(config, backbone, None if data else document["labels"])
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:  # of other types
            raise InputError(
                f"{self.network}: found no usable network ({error}), allowed: a run's"
            ) from None
        state = read_weights(self.weights, "this run's weights")
        check_weights(self.weights, state, kinds(task.model))
        task.model.load_state_dict(state)
        task.model.eval()
        return task


def _essence(config: SegmentationConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"data": {"workers"}, **dict.fromkeys(_FREE, True)})
