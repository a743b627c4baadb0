"""All hostile inputs."""

from __future__ import annotations

from tests.hostile import (
    architecture_cases,
    card_cases,
    folder_cases,
    image_cases,
    segmentation_cases,
    setting_cases,
    trial_cases,
    weights_cases,
    yaml_cases,
)
from tests.hostile.case import Case

CASES: tuple[Case, ...] = (
    *yaml_cases.CASES,
    *setting_cases.CASES,
    *architecture_cases.CASES,
    *weights_cases.CASES,
    *image_cases.CASES,
    *trial_cases.CASES,
    *card_cases.CASES,
    *folder_cases.CASES,
    *segmentation_cases.CASES,
)
