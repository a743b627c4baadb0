"""Networks as backbones: the stages' maps at any size, and weights of classifiers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spaces import small, trionet
from tests.helpers.architectures import random_architectures
from tests.helpers.tiny_experiment import exported
from trionet_nni.architecture.baselines import BASELINES
from trionet_nni.errors import InputError
from trionet_nni.export.load import load
from trionet_nni.network.trionet import TrioNet
from trionet_nni.operators.layers.axial_attention import AxialLayer
from trionet_nni.operators.layers.line_attention import fitted
from trionet_nni.segmentation.shared.backbone import Backbone, build_backbone, described, restored
from trionet_nni.segmentation.shared.config import BackboneConfig

ARCHITECTURES = [BASELINES["resnet-26"], BASELINES["axial-26"], *random_architectures(trionet.TABLE, 3)]


def sizes(height: int, width: int, strides: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(-(-height // stride), -(-width // stride)) for stride in strides]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("height", "width"), [(224, 224), (512, 512), (640, 640), (512, 683), (97, 225), (1, 33)]
)
def test_features_of_every_stage_at_any_size(architecture, height, width):
    with torch.device("meta"):
        network = TrioNet(architecture, classes=None).eval()
        maps = network.features(torch.empty(1, 3, height, width))
    assert network.strides == (4, 8, 16, 32)
    assert tuple(x.shape[1] for x in maps) == network.channels == architecture.skeleton.widths
    assert [tuple(x.shape[2:]) for x in maps] == sizes(height, width, network.strides)


@pytest.mark.parametrize("size", [(512, 512), (512, 683)])
def test_weights_of_224_run_on_larger_pictures(size):
    architecture = random_architectures(trionet.TABLE, 8)[-1]
    network = TrioNet(architecture, classes=None).eval()
    with torch.inference_mode():
        maps = network.features(torch.randn(1, 3, *size))
    assert [tuple(x.shape[2:]) for x in maps] == sizes(*size, (4, 8, 16, 32))
    assert all(x.isfinite().all() for x in maps)


def test_at_the_trained_size_the_classifier_sees_these_features():
    for architecture in random_architectures(small.TABLE, 6):
        network = TrioNet(architecture, classes=5, image_size=32).eval()
        with torch.no_grad():
            for batch_norm in network.modules():  # γ = 0 would hide the operators
                if isinstance(batch_norm, torch.nn.BatchNorm2d):
                    batch_norm.weight.uniform_(0.5, 1.5)
        x = torch.randn(2, 3, 32, 32)
        backbone = TrioNet(architecture, classes=None, image_size=32).eval()
        backbone.load_state_dict({k: v for k, v in network.state_dict().items() if "classifier" not in k})
        last = backbone.features(x)[-1]
        assert torch.equal(network.classifier(last.mean((2, 3))), network(x))


def test_a_larger_picture_is_what_interpolated_tables_give():
    architecture = next(a for a in random_architectures(small.TABLE, 50) if "axial" in a.operators)
    trained = TrioNet(architecture, classes=None, image_size=32).eval()
    larger = TrioNet(architecture, classes=None, image_size=72).eval()
    state = trained.state_dict()
    for name, module in larger.named_modules():
        if isinstance(module, AxialLayer):
            key = f"{name}.table"
            state[key] = fitted(state[key], (module.table.shape[1] + 1) // 2)
    larger.load_state_dict(state)
    x = torch.randn(1, 3, 72, 72)
    for a, b in zip(trained.features(x), larger.features(x), strict=True):
        torch.testing.assert_close(a, b)


def test_features_can_be_trained_beyond_the_tables():
    network = TrioNet(
        next(a for a in random_architectures(small.TABLE, 50) if "axial" in a.operators), classes=None
    )
    torch.nn.init.ones_(network.stages[-1][-1].bn_out.weight)
    network.features(torch.randn(2, 3, 80, 56))[-1].square().mean().backward()
    tables = [m.table for m in network.modules() if isinstance(m, AxialLayer)]
    assert tables and all(t.grad is not None and t.grad.isfinite().all() for t in tables)


def test_weights_of_an_exported_network_are_taken_over(tmp_path: Path) -> None:
    folder = exported()[0].folder
    network = load(folder, "supernet")
    backbone = build_backbone(BackboneConfig(network=str(folder), weights="supernet"))
    x = torch.randn(1, network.stem[0].in_channels, 28, 28)
    expected = network.stages(network.stem(x))
    assert torch.equal(backbone.network.eval().features(x)[-1], expected)
    path = tmp_path / "any.safetensors"
    save_file(network.state_dict(), path)
    given = BackboneConfig(
        network=str(folder / "architecture.json"), weights=str(path), image_size=backbone.image_size
    )
    assert torch.equal(build_backbone(given).network.eval().features(x)[-1], expected)
    again = restored(described(backbone, deep_stem=False))
    again.network.load_state_dict(backbone.network.state_dict())
    assert torch.equal(again.network.eval().features(x)[-1], expected)


def test_start_weights_follow_the_seed_and_leave_the_generator_alone():
    config = BackboneConfig(network="resnet-26", stem="deep")
    state = torch.get_rng_state()
    nets = [build_backbone(config, seed).network for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    first = [net.stem[0].weight for net in nets]
    assert first[0].shape == (32, 3, 3, 3)
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])


def test_pixels_are_normalized_by_channel():
    backbone = Backbone(
        TrioNet(BASELINES["resnet-26"]), None, torch.tensor([0.5, 0.0, 1.0]), torch.tensor([0.5, 1, 2])
    )
    pixels = torch.tensor([[255], [51], [255]], dtype=torch.uint8)[..., None]
    torch.testing.assert_close(backbone.normalize(pixels).flatten(), torch.tensor([1.0, 0.2, 0.0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "resnet-27"}, "backbone.network: found 'resnet-27', allowed: .*resnet-26"),
        (
            {"network": "resnet-26", "weights": "supernet"},
            "weights: found 'supernet' without an exported folder",
        ),
        ({"network": "resnet-26", "weights": "no.safetensors"}, "weights: found no file no.safetensors"),
    ],
)
def test_mistakes_are_one_line(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        build_backbone(BackboneConfig(**settings))
    assert "\n" not in str(caught.value)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TrioNet(BASELINES["resnet-26"]).state_dict(), path)
    for settings in ({"network": "resnet-38"}, {"network": "resnet-26", "stem": "deep"}):
        with pytest.raises(InputError, match=r"w\.safetensors: found another network's weights"):
            build_backbone(BackboneConfig(weights=str(path), **settings))
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="found no readable weights"):
        build_backbone(BackboneConfig(network="resnet-26", weights=str(path)))
