"""Which Python NNI starts trials with."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def own_python_first() -> str:
    """PATH with this interpreter's folder at its front.

    An experiment's trials are started as `python3`, by whatever shell nnictl was typed in. In a checkout
    any Python finds the library beside it; of an installed library only its own Python knows.
    """
    return os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH")]))
