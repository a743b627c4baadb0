"""Which readers are fuzzed. A harness is imported when it is asked for: only its reader is instrumented."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

NAMES = (
    "experiment_yaml",
    "architecture_json",
    "model_card",
    "result_store",
    "results_reader",
    "safetensors_header",
    "rest_metrics",
)


def target(name: str) -> Target:
    """The harness of this name."""
    found = import_module(f"tests.fuzz.{name}").TARGET
    assert isinstance(found, Target) and found.name == name
    return found
