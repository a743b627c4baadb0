"""A search's report: what it says is what was stored, and nothing of it lies elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.helpers.tiny_experiment import CANDIDATES, finished
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.cli import main
from trionet_nni.finalists.halving import Training, rungs
from trionet_nni.finalists.results import FinalistResult, FinalistStore

LADDER = rungs(2, 40, repeats=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The finished experiment, in a folder of the test's own."""
    return Path(shutil.copytree(finished().root, tmp_path / finished().root.name))


def report(root: Path) -> str:
    out = root.parent / "pages" / "report.html"
    assert main(["report", str(root), "-o", str(out)]) == 0
    return out.read_text(encoding="utf-8")


def with_finalists(root: Path, losses: dict[Architecture, float]) -> None:
    file = root / "trionet" / "project.json"
    settings = json.loads(file.read_text())
    settings["search"]["finalists"] = {"count": 2, "steps": 40, "repeats": 2}
    file.write_text(json.dumps(settings))
    store = FinalistStore(root / "trionet" / "finalists")
    store.choose([list(losses)])
    for network, loss in losses.items():
        for rung in LADDER:
            store.add(FinalistResult(Training(network, rung), loss + 0.01 * rung.number, 0.875, 40, 60.0))


class Links(HTMLParser):
    """Collects what a page would load, and tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "image") or "src" in names:
            self.loaded.append(tag)
        self.loaded += [
            value or ""
            for name, value in attrs
            if name.endswith("href") and not (value or "").startswith("#")
        ]


def test_it_is_one_file_that_needs_no_other(root: Path) -> None:
    text = report(root)
    links = Links()
    links.feed(text)
    assert links.loaded == []
    assert not re.findall(r"@import|url\((?!#)", text)
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) >= 5
    for one in drawings:
        ElementTree.fromstring(
            one
            if "xmlns:xlink" in one or "xlink:" not in one
            else one.replace("<svg", '<svg xmlns:xlink="http://www.w3.org/1999/xlink"', 1)
        )
    names = re.findall(r' id="([^"]*)"', text)
    assert len(names) == len(set(names))
    assert "#010203" not in text and "var(--ink)" in text and "prefers-color-scheme: dark" in text


def test_it_says_what_was_stored(root: Path) -> None:
    text = report(root)
    for file in (root / "trionet" / "evaluations").glob("*.json"):
        found = json.loads(file.read_text())
        assert found["hash"][:8] in text
        assert f"loss {found['loss']:.3f}, {found['accuracy']:.1%}" in text
    complete = json.loads(next(finished().root.parent.rglob("complete.json")).read_text())
    for name, count in complete["operators_sampled"].items():
        assert name in text and f"{count:,}" in text
    assert "Finalists" not in re.findall(r"<h2>(.*?)</h2>", text)
    assert f"trionet export {root.name} -o out" in text


def test_finalists_come_first_and_their_losses_are_shown(root: Path) -> None:
    with_finalists(root, {CANDIDATES[1]: 0.5, CANDIDATES[2]: 0.25})
    text = report(root)
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert any(heading.startswith("Finalists") for heading in headings)
    first = re.findall(r"<h3>1\. (.*?)</h3>", text)[0]
    assert first == CANDIDATES[2].operators
    assert "from scratch: loss 0.265, 87.5% (mean of 2 trainings)" in text
    assert "<td>0.260<td>0.270<td>0.265<td>87.5%" in text
    assert "4 trainings" in text and "4 min" in text  # of 60 seconds each


def test_a_search_that_has_just_begun_has_a_page_too(root: Path) -> None:
    files = sorted((root / "trionet" / "evaluations").glob("*.json"))
    for file in files[1:]:
        file.unlink()
    assert json.loads(files[0].read_text())["hash"][:8] in report(root)


def test_what_cannot_be_reported_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(root), "-o", str(root)]) == 2
    shutil.rmtree(root / "trionet" / "evaluations")
    assert main(["report", str(root)]) == 2
    assert main(["report", "nowhere"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "allowed: a file" in lines[0] and "allowed: a search with results" in lines[1]
