"""Pages of the documentation lead to files that are there."""

from __future__ import annotations

import re

import pytest

from tests.helpers.checkout import ROOT


@pytest.mark.parametrize(
    "name", ["docs/paper-map.md", "docs/paper-choices.md", "README.md", "docs/extending.md"]
)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert local and not [target for target in local if not (page.parent / target).exists()]
