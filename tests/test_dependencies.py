"""pyproject.toml asks for what is imported, all of it and nothing else."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.imports import imported

PACKAGES = ("trionet_nni", "spaces", "strategies")
OURS = {*PACKAGES, "benchmarks", "tests"}
NAMED_NOWHERE = {
    "setuptools": "nnictl imports its pkg_resources",
    "tensorboard": "torch.utils.tensorboard writes with it",
    "onnx": "the format; torch.onnx.export and onnxruntime's quantization build models with it",
    "onnxscript": "torch.onnx.export writes with it",
}
BROUGHT_ALONG = {"triton": "torch, where there is a CUDA build", "pydantic_core": "pydantic"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = (
    "train",
    "search",
    "report",
    "onnx",
    "hub",
    "timm",
    "datasets",
    "wandb",
    "mlflow",
)  # of the library, not of work on it


def names(requirements: list[str]) -> set[str]:
    """Of distributions, without versions and without this project's own extras."""
    found = {re.split(r"[\[<>=!~; ]", text)[0].lower() for text in requirements}
    return found - {"trionet-nni"}


def imports_of(*folders: str) -> set[str]:
    """Distributions that the modules in these folders import."""
    owners = packages_distributions()
    tops = {
        name.partition(".")[0]
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path.read_text(encoding="utf-8"))
    }
    known = {"", *sys.stdlib_module_names, *OURS, *BROUGHT_ALONG}
    return {owners[top][0].lower().replace("_", "-") if top in owners else top for top in tops - known}


def test_all_that_is_imported_is_asked_for() -> None:
    runtime = names([*PROJECT["dependencies"], *(one for extra in RUNTIME for one in EXTRAS[extra])])
    assert imports_of(*PACKAGES) <= runtime
    assert imports_of("benchmarks") <= runtime | names(EXTRAS["bench"])


def test_all_that_is_asked_for_is_imported() -> None:
    asked = names(PROJECT["dependencies"]).union(
        *(names(EXTRAS[extra]) for extra in EXTRAS if extra not in ("dev", "docs"))
    )
    assert asked - imports_of(*PACKAGES, "benchmarks") == set(NAMED_NOWHERE)


@pytest.mark.parametrize("extra", RUNTIME)
def test_an_extra_repeats_nothing_that_is_always_there(extra: str) -> None:
    assert not names(EXTRAS[extra]) & names(PROJECT["dependencies"])
