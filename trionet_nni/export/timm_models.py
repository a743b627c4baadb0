"""timm knows the project's networks once this module is imported (`trionet_nni.register_with_timm()`).

`timm.create_model("trionet_axial_26")` is a hand-designed network, `"trionet"` with an `architecture` any
other; `"local-dir:FOLDER"` and `"hf-hub:USER/NAME"` find what `trionet push` wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timm.models import PretrainedCfg, build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.errors import InputError
from trionet_nni.export.inherit import fit_tables
from trionet_nni.export.models import list_models
from trionet_nni.export.searched import has_weights, searched_folder
from trionet_nni.export.staged import LAYERS, NAME
from trionet_nni.export.weights import SHARED
from trionet_nni.files.text import read_json
from trionet_nni.network.trionet import TrioNet, set_survival


class TimmTrioNet(TrioNet):
    """A TrioNet that answers what timm's scripts ask of a model.

    Args:
        architecture: the choice of every block, also in its JSON form.
        num_classes: outputs; 0 leaves the classifier out.
        in_chans: channels of the images.
        img_size: side of the images in pixels, which axial tables are made for; the space's own when None.
        drop_rate: dropout before the classifier.
        drop_path_rate: probability that a residual branch is left out in training, the same for every block
            (appendix A).
        global_pool: "avg", for there is no other.

    Raises:
        InputError: no architecture, no square, or another pooling.
    """

    def __init__(
        self,
        architecture: Architecture | Mapping[str, Any],
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: int | Sequence[int] | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        global_pool: str = "avg",
    ) -> None:
        _refuse_pooling(global_pool)
        if not isinstance(architecture, Architecture):
            architecture = Architecture.from_dict(architecture)
        super().__init__(
            architecture,
            classes=num_classes or None,
            channels=in_chans,
            image_size=_side(img_size),
            dropout=drop_rate,
        )
        set_survival(self, 1 - drop_path_rate)
        self.num_classes, self.in_chans = num_classes, in_chans
        self.head_hidden_size = self.num_features
        self.feature_info = [
            {"num_chs": channels, "reduction": stride, "module": f"stages.{stage}"}
            for stage, (channels, stride) in enumerate(zip(self.channels, self.strides, strict=True))
        ]

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """See `TrioNet.reset_classifier`."""
        _refuse_pooling(global_pool or "avg")
        super().reset_classifier(num_classes)
        self.num_classes = num_classes

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """[B, num_features, h, w] → logits, or what the classifier takes, [B, num_features]."""
        pooled = self.dropout(x.mean((2, 3)))
        logits: Tensor = pooled if pre_logits else self.classifier(pooled)
        return logits

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Layers of one depth, for learning rates by layer: the stem, then stages or blocks."""
        return {
            "stem": r"^stem",
            "blocks": r"^stages\.(\d+)" if coarse else [(r"^stages\.(\d+)\.(\d+)", None)],
        }

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Refuse it.

        Raises:
            InputError: it is asked for.
        """
        if enable:
            raise InputError("grad_checkpointing: found True, allowed: False: logits are recomputed anyway")


def _refuse_pooling(name: str) -> None:
    if name != "avg":
        raise InputError(f"global_pool: found {name!r}, allowed: avg")


def _side(size: int | Sequence[int] | None) -> int | None:
    if size is None or isinstance(size, int):
        return size
    if len(size) != 2 or size[0] != size[1]:
        raise InputError(f"img_size: found {tuple(size)}, allowed: a square")
    return size[0]


def trionet(pretrained: bool = False, **settings: Any) -> nn.Module:
    """The network of any `architecture`, as timm builds its models.

    Args:
        pretrained: with the weights that the name's source has.
        settings: of `TimmTrioNet`, and those of timm's own builder.
    """
    return _built(NAME, pretrained, settings)


def _built(name: str, pretrained: bool, settings: dict[str, Any]) -> nn.Module:
    for key, value in _searched(name).get("model_args", {}).items():
        settings.setdefault(key, value)
    settings.setdefault("architecture", BASELINES.get(_baseline(name)))
    if settings["architecture"] is None:
        raise InputError(
            "architecture: found none, allowed: an architecture, e.g. of out/1/architecture.json"
        )
    model: nn.Module = build_model_with_cfg(
        TimmTrioNet,
        name,
        pretrained,
        pretrained_filter_fn=_fitted,
        feature_cfg={"out_indices": _stages(settings["architecture"]), "flatten_sequential": True},
        **settings,
    )
    return model


def _stages(architecture: Architecture | Mapping[str, Any]) -> tuple[int, ...]:
    stages = architecture.stages if isinstance(architecture, Architecture) else architecture["stages"]
    return tuple(range(len(stages)))


def _fitted(state: dict[str, Tensor], network: TrioNet) -> dict[str, Tensor]:
    """A checkpoint for a network of another image size."""
    fit_tables(network, state)
    return state


def _baseline(name: str) -> str:
    return name.removeprefix(f"{NAME}_").replace("_", "-")


def _names() -> list[str]:
    return [NAME, *(f"{NAME}_{name}" for name in list_models())]


def _searched(name: str) -> dict[str, Any]:
    """What the `config.json` of a network says that one of our searches found; nothing of another one."""
    folder = searched_folder(name.removeprefix(f"{NAME}_"))
    return {} if folder is None else dict(read_json(folder / "config.json", "a network's configuration"))


def _pretrained(name: str) -> PretrainedCfg:
    folder, found = searched_folder(name.removeprefix(f"{NAME}_")), _searched(name)
    if folder is None:
        return PretrainedCfg(**LAYERS)
    file = str(folder / SHARED) if has_weights(folder) else None
    names = {"num_classes": found["num_classes"], "label_names": found["label_names"]}
    return PretrainedCfg(file=file, **names, **found["pretrained_cfg"])


default_cfgs = generate_default_cfgs({name: _pretrained(name) for name in _names()})


def _register(name: str) -> None:
    def build(pretrained: bool = False, **settings: Any) -> nn.Module:
        return _built(name, pretrained, settings)

    build.__name__ = build.__qualname__ = name
    whose = "This project's" if _searched(name) else "The paper's"
    build.__doc__ = f"{whose} {_baseline(name)}, as timm builds its models."
    register_model(build)


register_model(trionet)
for _name in _names()[1:]:
    _register(_name)
