"""The compiled CPU kernels, built once a process for all tests of this folder."""

from __future__ import annotations

import os
import shutil

import pytest

from trionet_nni.operators.layers import build_native, native_attention

COMPILER = os.environ.get("CXX", "c++").split()[0]


@pytest.fixture(scope="session")
def native_folder(tmp_path_factory):
    """A folder with the library of this source."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"no C++ compiler {COMPILER!r}: the compiled kernels were NOT tested")
    folder = tmp_path_factory.mktemp("native")
    build_native.build(folder)
    return folder


@pytest.fixture
def native(native_folder, monkeypatch):
    """The kernels as built just now are in use, whatever lies in the package."""
    monkeypatch.setattr(native_attention, "home", lambda: native_folder)
    monkeypatch.delenv("TRIONET_NATIVE", raising=False)
