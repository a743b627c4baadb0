"""TrioNet: networks of convolution, local and axial self-attention, found by architecture search.

`trionet_nni.load("out/1")` loads an exported or retrained network, with or without NNI installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trionet_nni.version import __version__

if TYPE_CHECKING:
    from trionet_nni.export.load import load as load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import torch only when a network is wanted: small commands answer at once."""
    if name == "load":
        from trionet_nni.export.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
