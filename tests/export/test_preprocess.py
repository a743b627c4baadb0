"""What a loaded network does with a picture: the same as its training did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.helpers.tiny import CACHE, digit_folder, digits, folder_config, small_splits
from tests.helpers.tiny_experiment import exported
from trionet_nni.data import load_splits
from trionet_nni.data.preprocess import Preprocess
from trionet_nni.data.splits import Splits
from trionet_nni.errors import InputError
from trionet_nni.export.card import read_card
from trionet_nni.export.load import load


def of(splits: Splits) -> Preprocess:
    """As a card of these images would say it."""
    train = splits.train
    return Preprocess(
        splits.image_size,
        splits.channels,
        train.store.margin,
        tuple(train.mean.tolist()),
        tuple(train.std.tolist()),
    )


def pictures() -> list[Path]:
    return sorted((digit_folder() / "test").rglob("*.png"))


def test_a_loaded_network_says_what_it_sees() -> None:
    network, splits = load(exported()[0].folder), small_splits()
    assert network.classes == splits.class_names
    inputs = torch.stack([network.preprocess(path) for path in pictures()])
    assert torch.equal(inputs, splits.test.normalized(slice(None)))
    with Image.open(pictures()[0]) as picture:
        assert torch.equal(network.preprocess(picture), inputs[0])
    with torch.inference_mode():
        assert network.classes[int(network(inputs[:1]).argmax())] in splits.class_names


def test_large_pictures_are_seen_as_in_training() -> None:
    """Above 64 pixels they are decoded on demand, and seen without their border."""
    splits = load_splits(folder_config(digit_folder(), image_size=80), CACHE)
    preprocess = of(splits)
    assert preprocess.margin < 1
    inputs = torch.stack([preprocess(path) for path in pictures()])
    assert torch.equal(inputs, splits.test.normalized(torch.arange(len(inputs))))


def test_grey_pictures_for_a_network_of_one_channel(tmp_path: Path) -> None:
    test = digits().test
    pixels = test.pixels(slice(0, 1))[0]
    Image.fromarray(pixels[0].numpy()).save(tmp_path / "digit.png")
    assert torch.equal(of(digits())(tmp_path / "digit.png"), test.normalized(slice(0, 1))[0])


def test_what_is_no_picture_is_one_line(tmp_path: Path) -> None:
    preprocess = load(exported()[0].folder).preprocess
    (tmp_path / "a.png").write_text("no picture")
    for path in (tmp_path / "a.png", tmp_path / "none.png", tmp_path):
        with pytest.raises(InputError, match="image: found none"):
            preprocess(path)
    with pytest.raises(InputError, match="floating-point"):
        preprocess(Image.new("F", (28, 28)))
    five = Preprocess(28, 5, 1.0, (0.5,) * 5, (0.5,) * 5)
    with pytest.raises(InputError, match="channels: found 5, allowed for pictures: 1"):
        five(pictures()[0])


def test_a_card_of_before_is_told_once_a_network(
    network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [load(network_folder).preprocess(path) for path in pictures()[:2]]
    assert not capsys.readouterr().err
    card = json.loads((network_folder / "card.json").read_text())
    del card["margin"]
    (network_folder / "card.json").write_text(json.dumps(card))
    assert read_card(network_folder).margin is None
    network = load(network_folder)
    again = [network.preprocess(path) for path in pictures()[:2]]
    assert torch.equal(torch.stack(inputs), torch.stack(again))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {network_folder / 'card.json'}: margin: found nothing")


def test_another_size_than_in_training_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    network = load(exported()[0].folder)
    with torch.inference_mode():
        network(torch.zeros(2, 3, 28, 28))
        assert not capsys.readouterr().err
        for _ in range(2):
            network(torch.zeros(1, 3, 32, 36))
    (line,) = capsys.readouterr().err.splitlines()
    assert "images of 32 × 36 pixels for a network trained at 28 × 28" in line
