"""A plan for a machine that is not this one: without its cards, without its data, nothing measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError
from trionet_nni.experiment.check import check_plugins, check_trials, in_file, nni_value
from trionet_nni.experiment.nni_file import check_nni
from trionet_nni.experiment.open import Experiment
from trionet_nni.plan.counts import Counts, counts_elsewhere
from trionet_nni.plan.estimate import BETWEEN_SECONDS, SHARE, Estimate
from trionet_nni.plan.gpus import Elsewhere, Gpu, gpu_named
from trionet_nni.plan.measure import Timings
from trionet_nni.plan.plan import Plan, Stages, planned, steps_of, workers_of
from trionet_nni.settings.budgets import search_budgets
from trionet_nni.settings.changes import naming
from trionet_nni.settings.plugins import load_table
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.training.share import check_devices

BANDWIDTH = 25e9  # of a slot of PCIe 4.0, as it is reached


@dataclass(frozen=True)
class Machine:
    """What the command line says of another machine and its data.

    Attributes:
        gpu: name of its cards, see `gpu_named`.
        gpus: how many.
        images, classes: of its data, see `counts_elsewhere`.
        bandwidth: bytes a second that a card sends to another one while it receives as many.
    """

    gpu: str
    gpus: int = 1
    images: int | None = None
    classes: int | None = None
    bandwidth: float = BANDWIDTH


def plan_elsewhere(experiment: Experiment, machine: Machine) -> Plan:
    """Estimate an experiment's needs on cards that are not here.

    Raises:
        InputError: the experiment cannot work there either, or too little is known; one line.
    """
    gpu = gpu_named(machine.gpu)
    if machine.gpus < 1:
        raise InputError(f"--gpus: found {machine.gpus}, allowed: 1 or more")
    if not 0 < machine.bandwidth < math.inf:
        raise InputError(f"--bandwidth: found {machine.bandwidth / 1e9:g}, allowed: GB a second, above 0")
    with naming(experiment.path, experiment.changes), in_file(experiment.path):
        check_nni(experiment.path, experiment.settings)
        _check_cards(experiment, machine)
        config = experiment.config
        check_devices("supernet.devices", config.supernet.devices, machine.gpus, "--gpus")
        check_devices("retrain.devices", config.retrain.devices, machine.gpus, "--gpus")
        check_trials(config.search, nni_value(experiment.settings, "maxTrialNumber"))
        table = load_table(config.space)
        check_plugins(config)
        counts = counts_elsewhere(config.data, machine.images, machine.classes)
        cost = CostModel(counts.classes, counts.channels, counts.image_size)
        budgets = search_budgets(config.search, table, cost)
        steps_of(config, counts)
        images = counts.images["search"] + counts.images["recalibration"]
        timings = Estimate(config, gpu, table, cost, machine.bandwidth).timings(budgets, images)
    _check_memory(timings, gpu)
    each = nni_value(experiment.settings, "trialGpuNumber")
    workers = workers_of(experiment.settings, machine.gpus) if each else 1  # NNI gives no cards unasked
    idle = _idle(machine.gpus, workers, each)
    elsewhere = Elsewhere(
        gpu, machine.gpus, SHARE, _assumed(config, machine, gpu, counts), _unknown(config, timings), idle
    )
    return planned(experiment, Stages(config, budgets, cost, counts, timings), workers, None, elsewhere)


def _idle(gpus: int, workers: int, each: object) -> tuple[str, ...]:
    """See `Elsewhere.idle`.

    Args:
        each: cards of a trial, as the file says it.
    """
    if isinstance(each, int) and each > 1:
        return (f"trialConcurrency={gpus // each}",) if workers < gpus // each else ()
    asked = () if each else ("trialGpuNumber=1", "trainingService.useActiveGpu=true")
    return (*asked, f"trialConcurrency={gpus}") if workers < gpus else ()


def _check_cards(experiment: Experiment, machine: Machine) -> None:
    """NNI would wait for a card that there is not for ever."""
    wanted = nni_value(experiment.settings, "trialGpuNumber")
    if isinstance(wanted, int) and wanted > machine.gpus:
        raise InputError(f"trialGpuNumber: found {wanted}, allowed: up to the {machine.gpus} of --gpus")


def _check_memory(timings: Timings, gpu: Gpu) -> None:
    if timings.memory > gpu.memory:
        needed = f"{timings.memory / 1e9:.0f} GB or more (an estimate)"
        raise InputError(
            f"--gpu: found {gpu.name} with {gpu.memory / 1e9:.0f} GB, allowed: one with {needed}, or "
            "smaller batches (--set supernet.recipe.batch_size=N)"
        )


def _assumed(config: ProjectConfig, machine: Machine, gpu: Gpu, counts: Counts) -> tuple[str, ...]:
    data = () if counts.assumed is None else (counts.assumed,)
    return (
        *data,
        f"{gpu.name}: {gpu.bf16 / 1e12:,.0f} TFLOP/s in bf16, {gpu.fp32 / 1e12:,.0f} in fp32, "
        f"{gpu.bandwidth / 1e12:.2f} TB/s, {gpu.memory / 1e9:,.0f} GB, by its data sheet",
        f"each operation reads and writes memory once, and reaches {100 * SHARE:.0f} % of the card's "
        "arithmetic or of its bandwidth, whichever takes longer",
        f"{_shared(config, machine)}; they compute in bf16, unless the recipe says 32-true",
        f"{BETWEEN_SECONDS:g} s pass between two candidates on a card, for NNI and their processes",
    )


def _shared(config: ProjectConfig, machine: Machine) -> str:
    """On how many cards each training runs."""
    supernet, retrain = config.supernet.devices, config.retrain.devices
    if supernet == retrain == 1:
        return f"the supernet and each training from scratch run on one card{_more(config, machine.gpus)}"
    return (
        f"the supernet runs on {supernet} cards and the last training on {retrain} (devices), each with an "
        f"equal share of a batch; once a step all gradients go round at {machine.bandwidth / 1e9:g} GB/s, "
        "after the last backward pass; a finalist runs on one"
    )


def _more(config: ProjectConfig, gpus: int) -> str:
    """What to say so that they run on all cards; nothing where batches cannot be shared equally."""
    recipe, batch = config.supernet.recipe, config.retrain.batch_size
    if gpus == 1 or recipe.batch_size % gpus or batch % gpus or batch == gpus:
        return ""
    part = recipe.micro_batch or recipe.batch_size // gpus
    settings = (
        f"supernet.recipe.micro_batch={part}",
        f"supernet.devices={gpus}",
        f"retrain.devices={gpus}",
    )
    return f" (on all: {' '.join(f'--set {setting}' for setting in settings)})"


def _unknown(config: ProjectConfig, timings: Timings) -> tuple[str, ...]:
    rates = (
        (config.supernet.recipe.batch_size / timings.step, "the supernet"),
        (config.retrain.batch_size / timings.retrain_step, "a training from scratch"),
    )
    reading = " and ".join(f"{rate:,.0f} a second for {what}" for rate, what in rates)
    return (
        f"whether processors and disk decode so many images: {reading}; if not, they set the time",
        "how fast this project's attention kernels are on that card: nobody has timed them there",
        "how busy, hot or throttled the machine is, and whether the data can be read at all",
    )
