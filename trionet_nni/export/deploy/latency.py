"""`trionet latency`: how long networks take for an image or a batch, here, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from trionet_nni.errors import InputError

Shape = tuple[int, int, int]  # channels, height, width
_WARM, _ROUNDS_LEAST, _ROUNDS_MOST = 3, 21, 2000


@dataclass(frozen=True)
class Latency:
    """What one network took.

    Attributes:
        batch: images at once.
        p50, p90: median and 90th percentile of a pass, milliseconds.
        throughput: images a second, by the median.
        rounds: passes that were timed.
    """

    network: str
    batch: int
    p50: float
    p90: float
    throughput: float
    rounds: int


@dataclass(frozen=True)
class _Case:
    network: str
    run: nn.Module
    images: Tensor


def latency(
    networks: Mapping[str, tuple[nn.Module, Shape]],
    batches: Sequence[int],
    *,
    backend: str = "torch",
    seconds: float = 3.0,
) -> list[Latency]:
    """Time networks in turn, so that what else happens on the machine meets all of them.

    Each round has an order of its own: in the same one every time, the first of several that are alike
    would load the code that the others find in the processor's caches (docs/performance-notes.md).

    Args:
        networks: by name, each with the shape of its images.
        backend: of `BACKENDS`.
        seconds: for each network and batch, about.

    Returns:
        Network by network, in the order of the batches; random images, no gradients.

    Raises:
        InputError: the backend cannot be had here.
    """
    with TemporaryDirectory() as folder, torch.inference_mode():
        cases = []
        for number, (name, (network, shape)) in enumerate(networks.items()):
            run = _prepared(backend, network.eval(), torch.zeros(2, *shape), Path(folder, f"{number}.onnx"))
            cases += [_Case(name, run, _images(backend, batch, shape)) for batch in batches]
        _warm_up(cases, backend)
        times = _interleaved(cases, seconds)
    return [_summary(case, found) for case, found in zip(cases, times, strict=True)]


def _images(backend: str, batch: int, shape: Shape) -> Tensor:
    images = torch.randn(batch, *shape)
    # So are all maps inside a network on a CPU; onnxruntime has its own order.
    return images.to(memory_format=torch.channels_last) if backend == "torch" else images


def _prepared(backend: str, network: nn.Module, example: Tensor, file: Path) -> nn.Module:
    with torch.inference_mode(False):  # an exporter traces with tensors that know gradients
        return BACKENDS[backend](network, example.clone(), file)


def _as_it_is(network: nn.Module, example: Tensor, file: Path) -> nn.Module:
    return network


def _compiled(network: nn.Module, example: Tensor, file: Path) -> nn.Module:
    compiled: nn.Module = torch.compile(network, dynamic=False)  # type: ignore[assignment]
    return compiled


def _in_onnxruntime(network: nn.Module, example: Tensor, file: Path) -> nn.Module:
    from trionet_nni.export.deploy.formats import save_onnx
    from trionet_nni.export.deploy.onnx_network import OnnxNetwork

    save_onnx(network, example, file)
    return OnnxNetwork(file)


BACKENDS: dict[str, Callable[[nn.Module, Tensor, Path], nn.Module]] = {
    "torch": _as_it_is,
    "compile": _compiled,
    "onnxruntime": _in_onnxruntime,
}


def _warm_up(cases: Sequence[_Case], backend: str) -> None:
    from torch._dynamo.exc import TorchDynamoException

    try:
        for case in cases:
            for _ in range(_WARM):
                case.run(case.images)
    except TorchDynamoException as error:  # most often: there is no C++ compiler
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--backend: found {backend} ({reason}), allowed: one that works here") from None


def _interleaved(cases: Sequence[_Case], seconds: float) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in cases]
    begun, limit, orders = perf_counter(), seconds * len(cases), Random(0)
    for done in range(_ROUNDS_MOST):
        if done >= _ROUNDS_LEAST and perf_counter() - begun > limit:
            break
        for number in orders.sample(range(len(cases)), len(cases)):
            case = cases[number]
            start = perf_counter()
            case.run(case.images)
            times[number].append(perf_counter() - start)
    return times


def _summary(case: _Case, times: Sequence[float]) -> Latency:
    middle, batch = median(times), len(case.images)
    slow = quantiles(times, n=10)[-1]
    return Latency(case.network, batch, 1e3 * middle, 1e3 * slow, batch / middle, len(times))


def print_latencies(found: Sequence[Latency], about: Mapping[str, tuple[str, str]], backend: str) -> None:
    """A row a network and batch.

    Args:
        about: FLOPs and accuracy of each network, as they are to be shown.
    """
    threads = torch.get_num_threads()
    table = Table(title=f"{backend} on this CPU, {threads} thread{'s' if threads > 1 else ''}")
    for name in ("network", "batch", "p50, ms", "p90, ms", "images/s", "MFLOPs", "accuracy"):
        table.add_column(name, justify="left" if name == "network" else "right", overflow="fold")
    for one in found:
        numbers = f"{one.p50:.2f}", f"{one.p90:.2f}", f"{one.throughput:,.0f}"
        table.add_row(one.network, str(one.batch), *numbers, *about[one.network])
    Console().print(table, markup=False)


def as_json(found: Sequence[Latency], **conditions: Any) -> str:
    """One object a line."""
    return "\n".join(json.dumps({**asdict(one), **conditions}) for one in found)
