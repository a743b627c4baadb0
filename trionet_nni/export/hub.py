"""`trionet push`: an exported network on Hugging Face's hub, for `create_model` and for timm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from trionet_nni.errors import InputError, RunFailed
from trionet_nni.export.staged import FILES, stage
from trionet_nni.export.weights import BEST

PREFIX = "hf-hub:"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# The network's own failures have no name of their own that every release shares.
_FAILURES: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, ValueError)


def push(
    folder: Path,
    repository: str,
    *,
    weights: str = BEST,
    private: bool = False,
    license: str | None = None,
) -> str:
    """Send a network to the hub; its repository is made where there is none.

    Args:
        repository: USER/NAME.
        weights: as for `load`.
        license: of the weights, by the hub's name for it, e.g. mit.

    Returns:
        The address of the commit.

    Raises:
        InputError: the folder holds no usable network, or the name is none.
        RunFailed: the hub refuses, or cannot be reached.
    """
    _check_name(repository)
    with TemporaryDirectory() as temporary:
        stage(folder, Path(temporary), weights=weights, license=license, repository=repository)
        with _failures(f"{PREFIX}{repository}"):
            api = HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=temporary, commit_message="trionet push"
            )
    return str(commit)


def fetch(name: str) -> Path:
    """The folder of a network on the hub, downloaded once.

    Args:
        name: `hf-hub:USER/NAME`, or with a revision `hf-hub:USER/NAME@REVISION`.

    Raises:
        InputError: the name is none.
        RunFailed: there is no such repository, or the hub cannot be reached.
    """
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    _check_name(repository)
    with _failures(name):
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(FILES)))


def _check_name(repository: str) -> None:
    if not _NAME.fullmatch(repository):
        raise InputError(f"repository: found {repository!r}, allowed: USER/NAME, as on huggingface.co")


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """What the hub and the way to it answer, in one line."""
    try:
        yield
    except _FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunFailed(f"{name}: {reason}") from error
