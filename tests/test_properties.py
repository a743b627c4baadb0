"""Properties of everything that is written and read again: architectures and configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spaces.small import TABLE as SMALL
from spaces.tiny import TABLE as TINY
from spaces.trionet import TABLE as TRIONET
from trionet_nni.architecture import Architecture
from trionet_nni.config import ProjectConfig, RecipeConfig, SearchConfig, parse_project
from trionet_nni.errors import InputError
from trionet_nni.export_config import RetrainConfig, read_config, write_config
from trionet_nni.segmentation.config import SegmentationConfig, parse_config
from trionet_nni.table import SpaceTable
from trionet_nni.text_file import parse_json
from trionet_nni.yaml_file import read_yaml
