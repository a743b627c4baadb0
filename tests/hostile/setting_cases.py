"""Fields of an experiment file that are unknown, of another type, out of range, or do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.bench import DELETE, experiment, own_pictures, write_yaml
from tests.hostile.case import CANARY, Case, says
from trionet_nni.cli import main

Change = tuple[str, Any]
_ARGUMENTS = "tuner.classArgs."


def _search(folder: Path, changes: tuple[Change, ...]) -> int:
    path = write_yaml(folder / "experiment.yml", experiment(*changes))
    return main(["search", str(path)])


def _case(kind: str, name: str, changes: tuple[Change, ...], *line: str, usable: str = "") -> Case:
    def run(folder: Path) -> int:
        here = str(folder)
        told = [(path, v.replace("HERE", here) if isinstance(v, str) else v) for path, v in changes]
        return _search(folder, tuple(told))

    return Case(
        kind, name, "trionet search", run, says(*("experiment.yml: ", *line) if line else ()), usable
    )


def _ours(kind: str, name: str, field: str, value: Any, *line: str) -> Case:
    """A field of `tuner.classArgs`; the line begins with its name."""
    return _case(kind, name, ((_ARGUMENTS + field, value),), f"{field}: found ", *line)


def _with_folder(name: str, make: Callable[[Path], object], root: str, *line: str) -> Case:
    def run(folder: Path) -> int:
        make(folder)
        return _search(folder, ((_ARGUMENTS + "data.root", str(folder / root)),))

    return Case("missing or unusable folder", name, "trionet search", run, says(*line))


def _nothing(folder: Path) -> None:
    """Nothing is made."""


def _one_class(folder: Path) -> None:
    for path in (own_pictures(folder) / "bee").iterdir():
        path.rename(path.with_name(f"{path.name}.txt"))


def _circle(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")


_KEY = "unknown key"
_NO_KEY = "allowed: no such key, but "
UNKNOWN = (
    _case(
        _KEY,
        "of NNI's part",
        (("trialConcurency", 2),),
        "trialConcurency: found 2",
        _NO_KEY,
        "trialConcurrency",
    ),
    _case(_KEY, "of the tuner", (("tuner.name", "TPE"),), "tuner.name: found 'TPE'", _NO_KEY, "className"),
    _case(
        _KEY,
        "of the local service",
        (("trainingService.gpus", 1),),
        "trainingService: gpus: found 1",
        _NO_KEY,
    ),
    _case(
        _KEY,
        "an assessor",
        (("assessor", {"name": "Medianstop"}),),
        "assessor: found ",
        "allowed: Input should be None",
    ),
    _ours(_KEY, "of our part", "retraining", {}, "{}", _NO_KEY + "space, data, supernet, search, retrain"),
    _ours(_KEY, "of a section", "search.colour", 1, "1", _NO_KEY + "strategy, budgets, max_flops"),
    _ours(_KEY, "of a recipe", "supernet.recipe.lr", 0.1, "0.1", _NO_KEY, "learning_rate"),
    _case(
        _KEY,
        "that was removed",
        ((_ARGUMENTS + "search.halving", {"first": 3}),),
        "search.halving: found {'first': 3}, allowed: left out: successive halving was removed",
    ),
    _case(
        _KEY,
        "one letter off a key that must be there",
        ((_ARGUMENTS + "search.max_flops", DELETE), (_ARGUMENTS + "search.max_flop", 1e9)),
        "search.max_flop: found 1000000000.0",
        _NO_KEY,
        "max_flops",
    ),
    _case(
        _KEY,
        "a number",
        ((_ARGUMENTS + "data", {7: 1}),),
        "data.7: found 7, allowed: Keys should be strings",
    ),
    _case(
        _KEY,
        "a field of NNI in two spellings",
        (("trial_concurrency", 2),),
        "allowed: each field once, not trialConcurrency and trial_concurrency",
    ),
)

_TYPE = "wrong type"
TYPES = (
    _ours(_TYPE, "a text for a number", "search.population", "many", "'many'", "a valid integer"),
    _ours(_TYPE, "half a pixel", "data.image_size", 28.5, "28.5", "a valid integer"),
    _ours(
        _TYPE,
        "true for a number",
        "search.parents",
        True,
        "True, allowed: Input should not be true or false",
    ),
    _ours(_TYPE, "a text for true or false", "search.warm", "perhaps", "'perhaps'", "a valid boolean"),
    _ours(
        _TYPE,
        "a list for a section",
        "supernet.recipe",
        [1],
        "[1], allowed: Input should be a valid dictionary",
    ),
    _ours(_TYPE, "a text for a section", "data", "digits", "'digits'", "a valid dictionary"),
    _ours(_TYPE, "a number for a module", "space", 5, "5, allowed: Input should be a valid string"),
    _ours(_TYPE, "nothing for a section", "search", None, "None", "a valid dictionary"),
    _ours(_TYPE, "a list for a number", "retrain.learning_rate", [0.1], "[0.1]", "a valid number"),
    _ours(_TYPE, "a mapping for a folder", "data.root", {"a": 1}, "{'a': 1}", "a valid string"),
    _ours(_TYPE, "a text for a list", "search.budgets", "2e9", "'2e9'", "a valid tuple"),
    _ours(
        _TYPE, "a list of 1,000 texts for a number", "search.seed", ["x" * 50] * 1000, "['xxx", "…, allowed"
    ),
    _case(
        _TYPE,
        "a text for NNI's number",
        (("trialConcurrency", "2"),),
        "trialConcurrency: found '2'",
        "a valid integer",
    ),
    _case(
        _TYPE, "a text for the service", (("trainingService", "local"),), "trainingService", "found 'local'"
    ),
    _case(
        _TYPE,
        "a number for a folder",
        (("experimentWorkingDirectory", 5),),
        "experimentWorkingDirectory: found 5",
    ),
    _case(
        _TYPE,
        "a list for our part",
        (("tuner.classArgs", []),),
        "tuner.classArgs: found []",
        "a valid dictionary",
    ),
    _case(_TYPE, "no tuner", (("tuner", DELETE),), "tuner: found nothing, allowed: a value"),
    _case(
        _TYPE, "no search", ((_ARGUMENTS + "search", DELETE),), "search: found nothing, allowed: a value"
    ),
    _case(
        _TYPE, "no duration", (("maxExperimentDuration", "soon"),), "maxExperimentDuration", "found 'soon'"
    ),
    _case(
        _TYPE,
        "another advisor",
        (("tuner.className", "os.system"),),
        "tuner.className: found 'os.system'",
        "TrioNetAdvisor",
    ),
)

_RANGE = "out of range"
RANGES = (
    _ours(
        _RANGE, "a budget of nothing", "search.max_flops", 0, "0, allowed: Input should be greater than 0"
    ),
    _ours(_RANGE, "NaN", "search.min_flops", float("nan"), "nan, allowed: Input should be a finite number"),
    _ours(
        _RANGE,
        "an infinite rate",
        "supernet.recipe.learning_rate",
        float("inf"),
        "inf, allowed: Input should be a finite",
    ),
    _ours(
        _RANGE,
        "a negative rate",
        "finetune.learning_rate",
        -0.1,
        "-0.1, allowed: Input should be greater than 0",
    ),
    _ours(
        _RANGE,
        "an empty batch",
        "supernet.recipe.batch_size",
        0,
        "0, allowed: Input should be greater than or equal to 1",
    ),
    _ours(_RANGE, "no epoch", "retrain.epochs", 0, "0, allowed: Input should be greater than 0"),
    _ours(
        _RANGE, "10²⁰ steps", "supernet.recipe.steps", 10**20, "1000", "less than or equal to 1000000000"
    ),
    _ours(_RANGE, "momentum 1", "retrain.momentum", 1, "1, allowed: Input should be less than 1"),
    _ours(
        _RANGE,
        "a population of one",
        "search.population",
        1,
        "1, allowed: Input should be greater than or equal to 2",
    ),
    _ours(
        _RANGE,
        "images of 4 pixels",
        "data.image_size",
        4,
        "4, allowed: Input should be greater than or equal to 8",
    ),
    _ours(
        _RANGE, "images of 10⁹ pixels", "data.image_size", 10**9, "1000000000", "less than or equal to 4096"
    ),
    _ours(
        _RANGE,
        "more than all for the test",
        "data.test_fraction",
        1.5,
        "1.5, allowed: Input should be less than 1",
    ),
    _ours(
        _RANGE,
        "a negative seed",
        "search.seed",
        -1,
        "-1, allowed: Input should be greater than or equal to 0",
    ),
    _ours(
        _RANGE,
        "a seed of 33 bits",
        "data.seed",
        2**32,
        "4294967296, allowed: Input should be less than 4294967296",
    ),
    _ours(
        _RANGE, "a chance of 2", "search.mutation", 2, "2, allowed: Input should be less than or equal to 1"
    ),
    _ours(
        _RANGE,
        "a million processes",
        "data.workers",
        10**6,
        "1000000, allowed: Input should be less than or equal to 256",
    ),
    _ours(_RANGE, "an unknown augmentation", "retrain.augment", "rotate", "'rotate', allowed: ", "'shift'"),
    _ours(
        _RANGE, "an unknown data set", "data.name", "imagenet", "'imagenet', allowed: ", "digits, folder"
    ),
    _ours(_RANGE, "an unknown precision", "supernet.recipe.precision", "8-bit", "'8-bit'", "'bf16-mixed'"),
    _ours(
        _RANGE,
        "an unknown way with bad images",
        "data.bad_images",
        "ignore",
        "'ignore'",
        "'refuse' or 'skip'",
    ),
    _ours(
        _RANGE,
        "stochastic depth in a supernet",
        "supernet.recipe",
        {"survival": 0.5},
        "{'survival': 0.5}",
        "survival 1",
    ),
    _case(
        _RANGE,
        "no trial at a time",
        (("trialConcurrency", 0),),
        "trialConcurrency: found 0",
        "greater than or equal to 1",
    ),
    _case(
        _RANGE,
        "no trial at all",
        (("maxTrialNumber", 0),),
        "maxTrialNumber: found 0",
        "greater than or equal to 1",
    ),
    _ours(
        _RANGE,
        "a warm-up as long as the run",
        "supernet.recipe.warmup_epochs",
        1000,
        "1000, allowed: below the whole run's",
    ),
    _ours(_RANGE, "a warm-up that is all of the run", "supernet.recipe.warmup", 1, "1", "less than 1"),
    _ours(_RANGE, "search images, neither number nor share", "data.search_images", 1.5, "1.5", "share"),
)

_BUDGET = "impossible budget"
BUDGETS = (
    _ours(
        _BUDGET,
        "below every network",
        "search.max_flops",
        1,
        "1, allowed: ",
        "the reachable range of 'trionet-tiny'",
    ),
    _case(
        _BUDGET,
        "a minimum above every network",
        ((_ARGUMENTS + "search.max_flops", 1e13), (_ARGUMENTS + "search.min_flops", 1e12)),
        "search.min_flops: found 1e+12, allowed: ",
        "the reachable range",
    ),
    _ours(
        _BUDGET,
        "a minimum above the maximum",
        "search.min_flops",
        2e9,
        "2e+09, allowed: up to max_flops 1e+09",
    ),
    _case(
        _BUDGET,
        "one of two below every network",
        ((_ARGUMENTS + "search.budgets", [1.0, 1e9]), (_ARGUMENTS + "search.max_flops", DELETE)),
        "search.budgets",
        "found 1, allowed: ",
        "the reachable range",
    ),
    _case(
        _BUDGET,
        "budgets that fall",
        ((_ARGUMENTS + "search.budgets", [2e9, 1e9]), (_ARGUMENTS + "search.max_flops", DELETE)),
        "search.budgets: found [2000000000.0, 1000000000.0], allowed: ",
        "in ascending order, each once",
    ),
    _case(
        _BUDGET,
        "another limit beside the budgets",
        ((_ARGUMENTS + "search.budgets", [1e7, 2e7]),),
        "search.max_flops: found 1000000000.0, allowed: ",
        "the largest of the budgets, 2e+07",
    ),
    _ours(
        _BUDGET,
        "a band above every network",
        "search.band",
        0.9,
        "0.9, which leaves 9e+08 to 1e+09 FLOPs under max_flops and no network there, allowed: ",
        "or 0 for none",
    ),
    _ours(_BUDGET, "a band of more than all", "search.band", 1.5, "1.5, allowed: "),
    _ours(_BUDGET, "no budget in the list", "search.budgets", [], "[], allowed: ", "at least 1 item"),
)

_FOLDER = "missing or unusable folder"
FOLDERS = (
    _ours(
        _FOLDER,
        "no data root",
        "data.root",
        None,
        "nothing, allowed: the folder that holds the class folders",
    ),
    _with_folder(
        "images that are not there",
        _nothing,
        "nowhere",
        "data.root: cannot be read (No such file",
        "allowed: the folder",
    ),
    _with_folder(
        "a file for images",
        lambda folder: (folder / "file").write_text("x"),
        "file",
        "data.root: cannot be read (Not a directory)",
    ),
    _with_folder(
        "an empty folder",
        lambda folder: (folder / "empty").mkdir(),
        "empty",
        "class folders: found 0, allowed: 2 or more",
    ),
    _with_folder(
        "one class",
        lambda folder: (folder / "data" / "ant").mkdir(parents=True),
        "data",
        "class folders: found 1, allowed: 2 or more",
    ),
    _with_folder(
        "a class without images",
        _one_class,
        "pictures",
        "bee: images: found none, allowed: files that end in",
    ),
    _with_folder("links in a circle", _circle, "a", "data.root: ", "allowed: "),
    _ours(
        _FOLDER,
        "a user that does not exist",
        "data.root",
        "~nobody-of-that-name/x",
        "'~nobody-of-that-name/x'",
        "allowed: a folder",
    ),
    _case(
        _FOLDER,
        "a name of 5,000 letters",
        ((_ARGUMENTS + "data.root", "x" * 5000),),
        "data.root: ",
        "File name too long",
        "allowed: ",
    ),
    _ours(
        _FOLDER,
        "NUL in its name",
        "data.root",
        "a\0b",
        "'a\\x00b', allowed: Input should be a text without NUL",
    ),
    _case(
        _FOLDER,
        "no code",
        (("tuner.codeDirectory", "HERE/no"),),
        "tuner.codeDirectory: found ",
        "a folder that is there",
    ),
    _case(
        _FOLDER,
        "no code for trials",
        (("trialCodeDirectory", "no"),),
        "trialCodeDirectory: found 'no'",
        "a folder that is there",
    ),
    _case(
        _FOLDER,
        "a file to work in",
        (("experimentWorkingDirectory", "HERE/experiment.yml"),),
        "experimentWorkingDirectory: found",
        "allowed: a folder",
    ),
)

_SIZE = "batch or split larger than the data"
SIZES = (
    _ours(
        _SIZE, "a batch", "supernet.recipe.batch_size", 9999, "9999, allowed: up to the 16 training images"
    ),
    _ours(
        _SIZE,
        "a batch of one more",
        "supernet.recipe.batch_size",
        17,
        "17, allowed: up to the 16 training images",
    ),
    _ours(
        _SIZE,
        "search images",
        "data.search_images",
        500,
        "500, allowed: below 20",
    ),
    _case(
        _SIZE,
        "recalibration images held out that leave none",
        ((_ARGUMENTS + "data.recalibration_images", 16), (_ARGUMENTS + "data.recalibration", "held-out")),
        "data.search_images: found 4 and recalibration_images 16, allowed: together below 20",
    ),
    _ours(_SIZE, "training images", "data.train_images", 17, "17, allowed: up to 16"),
)

_CARDS = "more GPUs than there are"
CARDS = (
    _case(
        _CARDS,
        "for a trial",
        (("trialGpuNumber", 99), ("trainingService.useActiveGpu", True)),
        "trialGpuNumber: found 99, allowed: up to the ",
        "GPUs of this machine",
    ),
    _case(
        _CARDS,
        "for a trial, in the service's part",
        (("trainingService.trialGpuNumber", 98), ("trainingService.useActiveGpu", True)),
        "trialGpuNumber: found 98, allowed: up to the ",
    ),
    _case(
        _CARDS,
        "for a trial, in another spelling",
        (("trial_gpu_number", 97), ("trainingService.useActiveGpu", True)),
        "trialGpuNumber: found 97, allowed: up to the ",
    ),
    _case(
        _CARDS,
        "a card by its number",
        (("trainingService.gpuIndices", [96]),),
        "trainingService.gpuIndices: found 96, allowed: ",
        "of this machine",
    ),
    _case(
        _CARDS,
        "a negative number",
        (("trialGpuNumber", -1),),
        "trialGpuNumber: found -1",
        "greater than or equal to 0",
    ),
    _case(
        _CARDS,
        "without a word on who else uses it",
        (("trialGpuNumber", 1),),
        "trainingService.useActiveGpu: found nothing",
    ),
    _case(
        _CARDS,
        "two trials a card without a card",
        (("trainingService.maxTrialNumberPerGpu", 2),),
        "maxTrialNumberPerGpu: found 2, allowed: 1",
    ),
)

_MODULE = "module that is none"
MODULES = (
    _ours(
        _MODULE,
        "a space that is not there",
        "space",
        "spaces.none",
        "'spaces.none' (No module",
        "dotted path",
    ),
    _ours(_MODULE, "a space without a table", "space", "json", "'json', which defines no TABLE, allowed: "),
    _ours(
        _MODULE,
        "a space by its path",
        "space",
        "../spaces/tiny.py",
        "'../spaces/tiny.py', allowed: a module's dotted path",
    ),
    _ours(
        _MODULE,
        "a space with two dots",
        "space",
        "spaces..tiny",
        "'spaces..tiny', allowed: a module's dotted path",
    ),
    _case(
        _MODULE,
        "a space that is a Python expression",
        ((_ARGUMENTS + "space", f"__import__('pathlib').Path('HERE/{CANARY}').touch()"),),
        "space: found \"__import__('pathlib')",
        "a module's dotted path",
    ),
    _ours(
        _MODULE,
        "a supernet that is not there",
        "supernet.strategy",
        "strategies.none",
        "'strategies.none', allowed: the dotted path",
    ),
    _ours(
        _MODULE,
        "a sharing that is not there",
        "supernet.sharing",
        "none.at.all",
        "'none.at.all', allowed: the dotted path",
    ),
    _ours(_MODULE, "a sampling of dots", "supernet.sampling", "...", "'...', allowed: the dotted path"),
    _ours(_MODULE, "an empty name", "search.strategy", "", "'', allowed: the dotted path"),
)

CASES = (
    *UNKNOWN, *TYPES, *RANGES, *BUDGETS, *FOLDERS, *SIZES, *CARDS, *MODULES,
    _case("experiment that is right", "nothing is wrong", (), usable="it starts"),
)  # fmt: skip
