"""TrioNet: networks of convolution, local and axial self-attention, found by architecture search.

`trionet_nni.load("out/1")` loads an exported or retrained network, with or without NNI installed;
`trionet_nni.create_model` also makes it fit another task, and knows the paper's hand-designed networks;
after `trionet_nni.register_with_timm()` timm makes them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trionet_nni.version import __version__

if TYPE_CHECKING:
    from trionet_nni.export.load import load as load
    from trionet_nni.export.models import create_model as create_model
    from trionet_nni.export.models import list_models as list_models

__all__ = ["__version__", "create_model", "list_models", "load", "register_with_timm"]


def register_with_timm() -> None:
    """Make `timm.create_model` know this project's networks; see `export.timm_models`.

    Raises:
        ModuleNotFoundError: timm is not installed; `pip install 'trionet-nni[timm]'` brings it.
    """
    from trionet_nni.export import timm_models  # noqa: F401 (it registers what it defines)


def __getattr__(name: str) -> Any:
    """Import torch only when a network is wanted: small commands answer at once."""
    if name == "load":
        from trionet_nni.export.load import load

        return load
    if name in ("create_model", "list_models"):
        from trionet_nni.export import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
