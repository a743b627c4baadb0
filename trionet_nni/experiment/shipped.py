"""The folders that come with the library: spaces, strategies and experiments, for a user to own.

Other packages own the names `spaces` and `strategies` on PyPI, so the wheel holds them as data, and an
experiment imports them from a folder of its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, ignore_patterns

from trionet_nni.errors import InputError

FOLDERS = ("spaces", "strategies", "experiments")
_LIBRARY = Path(__file__).resolve().parents[1]


def shipped() -> Path:
    """The folder that holds them: in a wheel inside the library, in a checkout beside it.

    Raises:
        InputError: the installation is incomplete.
    """
    for folder in (_LIBRARY / "shipped", _LIBRARY.parent):
        if all((folder / name).is_dir() for name in FOLDERS):
            return folder
    raise InputError(f"{_LIBRARY}: found no folders {', '.join(FOLDERS)}, allowed: trionet-nni's own wheel")


def own_code() -> Path | None:
    """The folder whose `spaces` and `strategies` can be imported here: the user's, or a checkout's."""
    found = find_spec("spaces")
    places = list(found.submodule_search_locations or ()) if found is not None else []
    code = Path(places[0]).resolve().parent if places else None
    return code if code is not None and (code / "strategies").is_dir() else None


def bring(folder: Path) -> None:
    """Copy them into a folder.

    Raises:
        InputError: the installation is incomplete.
        FileExistsError: the folder holds one already.
    """
    for name in FOLDERS:
        copytree(shipped() / name, folder / name, ignore=ignore_patterns("__pycache__"))
