"""The picture of a network: every block is there, with its options, and nothing lies over anything else."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spaces.trionet import TABLE
from tests.helpers.architectures import random_architectures
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.drawing import network_svg, operator_colour
from trionet_nni.cli import main
from trionet_nni.operators.registry import OPERATORS

_SVG = "{http://www.w3.org/2000/svg}"
_WIDE = 0.62  # of a letter of a usual font ÷ its size, at most, on average


@pytest.mark.parametrize(
    "network", [*BASELINES.values(), *random_architectures(TABLE, 8)], ids=lambda one: one.hash
)
def test_every_block_is_a_box_with_its_options(network: Architecture) -> None:
    picture = ElementTree.fromstring(network_svg(network, classes=7))
    boxes = _boxes(picture)
    operators = [block.operator for _, block in network.blocks()]
    assert [one.attrib["fill"] for one in boxes] == list(map(operator_colour, operators))
    texts = [one.text or "" for one in picture.iter(f"{_SVG}text")]
    assert [text for text in texts if text in {*OPERATORS, "basic"}] == operators
    assert texts[-1].endswith("7 classes")
    assert all(f"{width} channels" in texts for width in network.skeleton.widths)


@pytest.mark.parametrize(
    "network", [*BASELINES.values(), *random_architectures(TABLE, 8)], ids=lambda one: one.hash
)
def test_nothing_overlaps_and_all_of_it_is_inside(network: Architecture) -> None:
    picture = ElementTree.fromstring(network_svg(network))
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    frames = [_frame(one) for one in picture.iter(f"{_SVG}rect")]
    assert all(
        0 <= left < right <= width and 0 <= top < bottom <= height for left, top, right, bottom in frames
    )
    for (a, b, c, d), (e, f, g, h) in combinations(frames, 2):
        assert c <= e or g <= a or d <= f or h <= b
    size = float(picture.attrib["font-size"])
    boxes = min(left for left, *_ in map(_frame, _boxes(picture)))
    for one in picture.iter(f"{_SVG}text"):
        x, y, end = float(one.attrib["x"]), float(one.attrib["y"]), _WIDE * size * len(one.text or "")
        around = [right for left, top, right, bottom in frames if left <= x <= right and top <= y <= bottom]
        assert x + end <= min(around, default=boxes), one.text  # a stage's own lines stand before its boxes


def _boxes(picture: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in picture.iter(f"{_SVG}rect") if "stroke" in one.attrib]


def _frame(box: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def test_operators_have_different_colours() -> None:
    colours = [operator_colour(name) for name in (*OPERATORS, "basic")]
    assert len(set(colours)) == len(colours)


def test_the_command_draws_folders_files_and_names(
    network_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (str(network_folder), str(network_folder / "architecture.json"), "axial-26"):
        out = tmp_path / "pictures" / "net.svg"
        assert main(["draw", name, "-o", str(out)]) == 0
        assert ElementTree.parse(out).getroot().tag == f"{_SVG}svg"
        out.unlink()
    assert main(["draw", "axial-27"]) == 2
    assert "nearest is axial-26" in capsys.readouterr().err
    assert "![" in (network_folder / "card.md").read_text() and (network_folder / "network.svg").is_file()
