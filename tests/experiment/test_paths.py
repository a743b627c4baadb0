"""Where relative paths of an experiment start."""

from __future__ import annotations

from pathlib import Path

import pytest

from trionet_nni.errors import InputError
from trionet_nni.experiment.paths import DATA_VARIABLE, with_absolute_paths
from trionet_nni.settings.project import ProjectConfig, SearchConfig


def root_of(root: str, code: Path) -> str | None:
    data = {"name": "folder", "root": root}
    settings = {"space": "spaces.small", "data": data, "search": SearchConfig(max_flops=1)}
    config = ProjectConfig.model_validate(settings)
    return with_absolute_paths(config, code).data.root


def test_a_relative_root_starts_at_the_checkout_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, data = tmp_path / "code", tmp_path / "data"
    data.mkdir()
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert root_of("imagenet", code) == str(code / "imagenet")
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    assert root_of("imagenet", code) == str(data / "imagenet")
    assert root_of(str(tmp_path / "own"), code) == str(tmp_path / "own")  # the file's word stands


def test_a_variable_that_names_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"TRIONET_DATA: found .*none', allowed: a folder"):
        root_of("imagenet", tmp_path)
