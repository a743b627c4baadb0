"""`trionet plan --gpu`: estimates without a card and without data, and what they are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.helpers.checkout import ROOT
from tests.helpers.tiny import digit_folder
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.architecture.cost import CostModel
from trionet_nni.cli import main
from trionet_nni.network.trionet import TrioNet
from trionet_nni.plan.counts import counts_elsewhere, counts_of
from trionet_nni.plan.estimate import SHARE
from trionet_nni.plan.floor import Floor, Rates, floor_of
from trionet_nni.plan.gpus import GPUS, gpu_named
from trionet_nni.settings.project import DataConfig

IMAGENET = ROOT / "experiments" / "imagenet.yml"


def floor(name: str, batch: int, dtype: torch.dtype = torch.float32, rates: Rates | None = None) -> Floor:
    with torch.device("meta"):
        network = TrioNet(BASELINES[name], classes=1000, channels=3, image_size=224)
    return floor_of(network, (batch, 3, 224, 224), dtype, rates or Rates(1e12, 1e14))


# Images a second, ResNet-50 v1.5 at 224 pixels, batch 256 on one card, trained by NVIDIA's PyTorch example
# (DeepLearningExamples, ConvNets/resnet50v1.5/README.md, container 21.03); figures of the data sheets.
PUBLISHED = {
    "A100 80 GB, fp16": (2470, torch.bfloat16, Rates(2.039e12, 312e12)),
    "A100 80 GB, TF32": (938, torch.float32, Rates(2.039e12, 156e12)),
    "V100 16 GB, fp16": (1200, torch.bfloat16, Rates(0.9e12, 125e12)),
    "V100 16 GB, fp32": (367, torch.float32, Rates(0.9e12, 15.7e12)),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_an_estimate_is_within_a_factor_of_two_of_a_published_rate(case: str) -> None:
    published, dtype, rates = PUBLISHED[case]
    assumed = Rates(SHARE * rates.bytes, SHARE * rates.flops)
    estimated = 256 / floor("resnet-50", 256, dtype, assumed).seconds
    assert published / 2 < estimated < 2 * published


@pytest.mark.parametrize("name", ["resnet-26", "axial-26"])
def test_a_pass_has_the_arithmetic_and_the_memory_that_it_must_have(name: str) -> None:
    cost = CostModel()(BASELINES[name])
    one, two = floor(name, 1), floor(name, 2)
    # Forward, gradients of inputs, gradients of weights; attention's kernels compute its logits twice.
    assert 2.9 * cost.flops < one.flops < 3.6 * cost.flops and two.flops == pytest.approx(2 * one.flops)
    images = two.kept - one.kept
    assert 0 < one.kept - images <= 1.01 * 4 * cost.params  # the weights are kept once, whatever the batch
    half = floor(name, 2, torch.bfloat16)
    assert half.kept < 0.6 * two.kept and half.bytes < 0.6 * two.bytes


def test_a_forward_pass_alone_costs_a_third_and_keeps_nothing() -> None:
    with torch.device("meta"):
        network = TrioNet(BASELINES["resnet-26"], classes=1000, channels=3, image_size=224)
    found = floor_of(network, (1, 3, 224, 224), torch.float32, Rates(1e12, 1e14), backward=False)
    assert found.flops == CostModel()(BASELINES["resnet-26"]).flops and found.kept == 0


def test_cards_are_known_as_people_write_them() -> None:
    assert gpu_named("RTX 4090") is gpu_named("rtx_4090") is GPUS["rtx-4090"]
    for gpu in GPUS.values():
        assert gpu.fp32 < gpu.bf16 and 1e11 < gpu.bandwidth < 1e13 and 1e10 < gpu.memory < 1e12


def test_images_that_are_here_are_counted_without_being_read() -> None:
    from trionet_nni.data import load_splits

    config = DataConfig(name="folder", root=str(digit_folder()), image_size=16)
    splits = load_splits(config, digit_folder().parent / "cache")
    assert counts_elsewhere(config, None, None) == counts_of(splits)


def test_imagenet_is_known_where_it_is_not() -> None:
    config = DataConfig(name="folder", root="/none/imagenet", search_images=10_000)
    counts = counts_elsewhere(config, None, None)
    assert counts.images["train"] == 1_281_167 - 10_000 and counts.images["full_train"] == 1_281_167
    assert counts.images["test"] == 50_000 and counts.classes == 1000 and counts.assumed


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["plan", *arguments, "--json"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    found: dict[str, Any] = json.loads(output.out)
    return found


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """experiments/mine.yml in small, with data that are not here."""
    settings = yaml.safe_load((ROOT / "experiments" / "mine.yml").read_text())
    settings |= {"trialConcurrency": 4, "trialGpuNumber": 1}
    settings["trainingService"]["useActiveGpu"] = True
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments |= {"space": "spaces.tiny"}
    arguments["search"]["max_flops"] = 1e7
    path = tmp_path / "tiny.yml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_better_cards_and_more_of_them_take_less_time(tiny: str, capsys: Any, tmp_path: Path) -> None:
    data = ("--images", "5000", "--classes", "10")
    slow = plan(capsys, tiny, "--gpu", "l4", *data)
    fast = plan(capsys, tiny, "--gpu", "h100", "--gpus", "4", *data)
    exact = plan(capsys, tiny, "--gpu", "h100", *data, "--set", "supernet.recipe.precision=32-true")
    assert slow["workers"] == 1 and fast["workers"] == 4
    assert fast["measured"]["step"] < slow["measured"]["step"]
    assert fast["measured"]["step"] < exact["measured"]["step"]
    assert fast["measured"]["retrain_step"] == exact["measured"]["retrain_step"]
    for stage in ("supernet", "search", "finalists", "retraining one network"):
        assert 0 < fast["hours"][stage] < slow["hours"][stage]
    assert fast["duration_hours"] == pytest.approx(sum(fast["elapsed_hours"].values()))
    assert fast["elapsed_hours"]["search"] == pytest.approx(fast["hours"]["search"] / 4)
    finalists = fast["hours"]["finalists"]
    assert finalists / 4 <= fast["elapsed_hours"]["finalists"] < finalists  # a rung's end waits
    assert fast["free"] is None and fast["elsewhere"]["share"] == SHARE
    assert not list(tmp_path.glob("runs*"))  # nothing was written


def test_trainings_that_several_cards_share(tiny: str, capsys: Any) -> None:
    data = ("--gpu", "h100", "--images", "5000", "--classes", "10")
    alone = plan(capsys, tiny, *data, "--gpus", "4")
    said = next(line for line in alone["elsewhere"]["assumed"] if "one card (on all: " in line)
    asked = said.partition("(on all: ")[2].partition(")")[0].split()
    assert asked[-1] == "retrain.devices=4"
    fast, slow = (
        plan(capsys, tiny, *data, "--gpus", "4", *asked, "--bandwidth", gb) for gb in ("1e6", "0.1")
    )
    for stage in ("supernet", "retraining one network"):
        assert (
            alone["hours"][stage] / 4 <= fast["hours"][stage] < alone["hours"][stage] < slow["hours"][stage]
        )
    assert fast["hours"]["finalists"] == alone["hours"]["finalists"]  # one card each
    weights = slow["measured"]["weights"]  # bytes
    exchange = slow["measured"]["step"] - fast["measured"]["step"]
    assert exchange == pytest.approx(2 * 3 / 4 * weights / 0.1e9, rel=1e-3)  # a ring of four


def test_the_text_says_that_it_is_an_estimate_and_what_it_rests_on(tiny: str, capsys: Any) -> None:
    options = ("--gpu", "A100", "--gpus", "8", "--images", "5000", "--classes", "10")
    assert main(["plan", tiny, *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "estimate for 8 × a100",
        "5,000 images to train on, of 10 classes: taken for granted",
        "312 TFLOP/s in bf16",
        "reaches 50 % of the card's arithmetic",
        "Not known: - whether processors and disk decode so many images",
        "Nothing was measured.",
        "The search would use 4 of 8 cards. All of them: --set trialConcurrency=8",
        "of a card",
    ):
        assert part in said, said
    assert "GB free" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpu", "h1000"], f"--gpu: found 'h1000', allowed: {', '.join(GPUS)}; the nearest is h100"),
        (["--gpu", "abacus"], f"--gpu: found 'abacus', allowed: {', '.join(GPUS)}\n"),
        (["--gpus", "8"], "plan: --gpus: found 8 without --gpu, allowed: with it"),
        (["--gpu", "l4", "--gpus", "0"], "--gpus: found 0, allowed: 1 or more"),
        (["--gpu", "l4", "--bandwidth", "0"], "--bandwidth: found 0, allowed: GB a second, above 0"),
        (["--gpu", "l4", "--steps", "3"], "plan: --steps: found 3 with --gpu, allowed: without it"),
        (
            ["--gpu", "l4", "--set", "data.root=datasets/nowhere"],  # a developer may have datasets/mine
            "datasets/nowhere: found no such folder, allowed: a folder, or --images N",
        ),
        (["--gpu", "l4", "--images", "900"], "allowed: a folder, or --classes N"),
        (["--gpu", "l4", "--images", "0"], "--images: found 0, allowed: 1 or more"),
        (["--gpu", "l4", "--images", "9", "--classes", "2"], "recipe.batch_size: found "),
        (
            ["--gpu", "l4", "--images", "90000", "--classes", "9", "--set", "trialGpuNumber=2"],
            "trialGpuNumber: found 2, allowed: up to the 1 of --gpus",
        ),
        (
            ["--gpu", "l4", "--images", "90000", "--classes", "9", "--set", "retrain.devices=2"],
            "retrain.devices: found 2, allowed: up to the 1 GPUs of --gpus",
        ),
        (
            ["--gpu", "l4", "--images", "90000", "--classes", "9", "--set", "retrain.batch_size=80000"],
            "--gpu: found l4 with 24 GB, allowed: one with ",
        ),
    ],
)
def test_what_cannot_be_estimated_is_one_line(
    tiny: str, capsys: Any, options: list[str], message: str
) -> None:
    assert main(["plan", tiny, *options]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and not output.out


@pytest.mark.slow
def test_the_papers_search_on_eight_cards(capsys: Any) -> None:
    found = plan(capsys, str(IMAGENET), "--gpus", "8", "--gpu", "h100")
    assert found["candidates"] == 4000 and found["supernet_steps"] == 540 * (1_271_167 // 256)
    assert 20 < found["hours"]["supernet"] < 500  # four passes of a few GFLOPs, of 690 million images
    assert 2e9 < found["measured"]["memory"] < 80e9
