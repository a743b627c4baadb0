"""`trionet push`: what goes to the hub, and what is said where it cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import trionet_nni
from trionet_nni.cli import main
from trionet_nni.export.card import Trained, read_card
from trionet_nni.export.card_text import write_card
from trionet_nni.export.load import architecture_of, load
from trionet_nni.export.staged import FILES

_NOBODY = "http://127.0.0.1:9"  # the port "discard": nobody listens


def test_the_folder_has_what_readers_need(network_folder: Path, tmp_path: Path) -> None:
    card = read_card(network_folder)
    reached = Trained(accuracy=0.75, loss=0.5, images=8, split="test", seed=0, steps=3)
    card = card.model_copy(update={"trained": {"supernet": reached}})
    write_card(network_folder, card, architecture_of(card, network_folder / "architecture.json"))
    out = tmp_path / "shared"
    assert main(["push", str(network_folder), "--folder", str(out), "--license", "cc-by-4.0"]) == 0
    assert {path.name for path in out.iterdir()} == set(FILES)
    _, header, text = (out / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    about = yaml.safe_load(header)
    assert about["license"] == "cc-by-4.0" and about["library_name"] == "timm"
    assert about["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.75
    assert "0.7500" in text and "BMVC 2021" in text
    config = json.loads((out / "config.json").read_text())
    assert config["model_args"]["architecture"]["space"] == "trionet-small"
    x = torch.randn(2, card.channels, card.image_size, card.image_size)
    assert torch.equal(load(out)(x), load(network_folder)(x))


def test_a_network_on_the_hub_is_found_by_its_name(network_folder: Path, tmp_path: Path) -> None:
    """As it lies on the disk once it was downloaded; nothing here can be asked for more."""
    revision, cache = "0" * 40, tmp_path / "hub"
    repository = cache / "models--somebody--digits"
    snapshot = repository / "snapshots" / revision
    assert main(["push", str(network_folder), "--folder", str(tmp_path / "shared")]) == 0
    shutil.copytree(tmp_path / "shared", snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    code = (
        "import trionet_nni\n"
        "network = trionet_nni.create_model('hf-hub:somebody/digits')\n"
        "print(network.preprocess.image_size, len(network.classes))"
    )
    environment = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    own = read_card(network_folder)
    assert done.stdout == f"{own.image_size} {own.classes}\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "push: found neither of USER/NAME and --folder, allowed: one"),
        (["a/b", "--folder", "x"], "push: found both of USER/NAME and --folder, allowed: one"),
        (["digits"], "repository: found 'digits', allowed: USER/NAME"),
        (["a/b/c"], "repository: found 'a/b/c', allowed: USER/NAME"),
        (["--folder", "{}"], "found something there, allowed: a new or empty folder"),
        (["a/b", "--weights", "best"], "weights: found 'best', allowed: "),
    ],
)
def test_what_cannot_be_pushed_is_one_line(
    arguments: list[str], message: str, network_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [text.format(network_folder) for text in arguments]
    assert main(["push", str(network_folder), *typed]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_a_hub_that_does_not_answer_is_one_line_and_no_traceback(network_folder: Path) -> None:
    code = "import sys\nfrom trionet_nni.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "push", str(network_folder), "somebody/digits"]
    environment = {"HF_ENDPOINT": _NOBODY, "HF_TOKEN": "hf_x", "HOME": str(network_folder.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "hf-hub:somebody/digits: " in done.stderr


def test_names_of_the_hub_are_checked_before_anything_is_asked() -> None:
    with pytest.raises(trionet_nni.errors.InputError, match="found 'digits', allowed: USER/NAME"):
        trionet_nni.create_model("hf-hub:digits")
