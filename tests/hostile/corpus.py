"""All hostile inputs."""

from __future__ import annotations

from tests.hostile import yaml_cases

CASES = (*yaml_cases.CASES,)
