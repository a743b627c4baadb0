"""The project's part of an experiment file, validated: `tuner.classArgs` of NNI's YAML.

Everything else in the file is NNI's own. A class here documents each field; an unknown key, a wrong
type or a value out of range is refused with one line that names file, field, finding and what is allowed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from trionet_nni.errors import InputError, shown
from trionet_nni.files.yaml import read_yaml as read_yaml
from trionet_nni.settings.amounts import (
    Amount,
    amount_of,
    as_amount,
    recalibration_images,
    search_images,
)
from trionet_nni.settings.before import as_before, without_former
from trionet_nni.settings.loggers import LoggerName
from trionet_nni.settings.section import Section as _Section
from trionet_nni.settings.section import refused

ONE_SHOT = "strategies.one_shot"  # this project's own supernet
Metric = Literal["loss", "accuracy"]  # what ranks candidates: the smallest loss, the largest accuracy
_BATCH_NORM = 2  # images that have a variance
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy and Lightning take


class DataConfig(_Section):
    """Images and how they are divided.

    train / search / test are disjoint; all but a given test folder are drawn from the training images with
    `seed`. The images for BN statistics are some of those to train on.
    """

    name: str = "digits"  # see trionet_nni.data.registry
    # The data set as published; for "folder": <root>/train/<class>/*, and <root>/test/<class>/* (or val/)
    root: str | None = None
    image_size: int = Field(28, ge=8, le=4096)  # side of the network's input, pixels
    test_fraction: float = Field(0.2, gt=0, lt=1)  # of each class, where there is no test folder
    # Held out of the images to train on, to score candidates: a number, or a share. None: an eighth,
    # at most 2,500 (a standard error of an accuracy is 1 point there); of small data a quarter, up to 500.
    search_images: int | float | None = None
    # For BN statistics of candidates, at most all there are: a number, or a share. None: 256, or 6.4 % of
    # the images to train on where that is more, at most 1,024.
    recalibration_images: int | float | None = None
    # Where they come from. "held-out": they train nothing, as in experiments of before this field.
    recalibration: Literal["training", "held-out"] = "training"
    train_images: int | None = Field(None, ge=1)  # use only so many training images (Fig. 7 b)
    seed: Seed = 0  # of the division
    # Processes that prepare batches; None: chosen by what the images and the machine need.
    workers: int | None = Field(None, ge=0, le=256)
    # Files that are no readable images: one line that names the first and counts them, or left out.
    bad_images: Literal["refuse", "skip"] = "refuse"

    @field_validator("search_images", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Amount:
        return as_amount(value, 1)

    @field_validator("recalibration_images", mode="before")
    @classmethod
    def _batch(cls, value: Any) -> Amount:
        return as_amount(value, _BATCH_NORM)

    def search_count(self, pool: int) -> int:
        """How many of `pool` images to train on score candidates."""
        named = amount_of(self.search_images, pool, 1)
        return search_images(pool) if named is None else named

    def recalibration_count(self, pool: int) -> int:
        """How many images BN statistics are wanted from, of `pool` to train on."""
        named = amount_of(self.recalibration_images, pool, _BATCH_NORM)
        return recalibration_images(pool) if named is None else named

    def identity(self) -> dict[str, Any]:
        """What the images are known by: all fields, but some only where they make a difference.

        `bad_images` does where images may be left out, `recalibration` where they are not held out: a
        supernet of before there was the field keeps its name, and trains on other images than one of now.
        """
        strict = {"bad_images"} if self.bad_images == "refuse" else set()
        fields = self.model_dump(exclude={"workers", *strict})
        return without_former("data", fields)


class RecipeConfig(_Section):
    """SGD with Nesterov momentum, linear warm-up, cosine to zero (appendix A)."""

    epochs: float = Field(130, gt=0, le=1e6)
    steps: int | None = Field(None, ge=1, le=10**9)  # optimizer steps, instead of epochs
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(8e-5, ge=0)
    # The warm-up in epochs, or as a share of the run; one of the two.
    warmup_epochs: float | None = Field(10, ge=0, le=1e6)
    warmup: float | None = Field(None, ge=0, lt=1)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)  # before the classifier
    attention_dropout: float = Field(0.0, ge=0, lt=1)  # of attention weights
    survival: float = Field(1.0, gt=0, le=1)  # of a block in a step: stochastic depth (Table 5)
    augment: Literal["none", "shift", "shift-flip", "resized-crop-flip", "resized-crop-flip-jitter"] = (
        "resized-crop-flip"
    )
    seed: Seed = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"  # auto: bf16-mixed on CUDA
    logger: LoggerName = "tensorboard"  # of the curves, as Lightning's
    # GPUs that train a network together, or processes where there is none. Each takes an equal share of a
    # batch, and its BN is over that share. Of a supernet: `supernet.devices`. A finalist is trained on one.
    devices: int = Field(1, ge=1, le=1024)

    @field_validator("devices")
    @classmethod
    def _equal_shares(cls, devices: int, info: ValidationInfo) -> int:
        batch = info.data.get("batch_size")
        if batch is not None and (batch % devices or batch // devices < min(batch, _BATCH_NORM)):
            raise ValueError(f"a divisor of batch_size ({batch}) that leaves each {_BATCH_NORM} images")
        return devices

    @model_validator(mode="before")
    @classmethod
    def _share_instead_of_epochs(cls, data: Any) -> Any:
        """A share that is named takes the place of the default in epochs."""
        if isinstance(data, dict) and data.get("warmup") is not None:
            return {"warmup_epochs": None, **data}
        return data

    @field_validator("warmup")
    @classmethod
    def _one_warm_up(cls, warmup: float | None, info: ValidationInfo) -> float | None:
        epochs = info.data.get("warmup_epochs")
        if warmup is not None and epochs is not None:
            raise ValueError(f"left out beside warmup_epochs ({epochs:g}), or warmup_epochs left out")
        if warmup is None and epochs is None and "warmup_epochs" in info.data:
            raise ValueError("a share of the run where there is no warmup_epochs")
        return warmup

    @property
    def random(self) -> bool:
        """Whether a network trained by it draws random numbers in its forward pass."""
        return bool(self.dropout or self.attention_dropout or self.survival < 1)

    def identity(self) -> dict[str, Any]:
        """What a run is known by: all fields that change it, precision and warm-up's share where named.

        It may go on with another number of devices.
        """
        unnamed = {"logger", "devices", *(["precision"] if self.precision == "auto" else [])}
        return self.model_dump(exclude=unnamed if self.warmup is not None else {*unnamed, "warmup"})


class SupernetRecipe(RecipeConfig):
    """A recipe whose batches may be taken in parts, one after the other or by several processes."""

    # Images that one pass sees and batch normalization is over, where not the whole batch (the paper: 32
    # on each of 8 GPUs); the gradients of a batch's parts are averaged. `supernet.devices` share the parts.
    micro_batch: int | None = Field(None, ge=1)

    @field_validator("devices")
    @classmethod
    def _of_the_supernet(cls, devices: int) -> int:
        if devices != 1:
            raise ValueError("1, or left out: how many train it is supernet.devices")
        return devices

    @field_validator("micro_batch")
    @classmethod
    def _equal_parts(cls, micro_batch: int | None, info: ValidationInfo) -> int | None:
        batch = info.data.get("batch_size")
        if micro_batch is not None and batch is not None and batch % micro_batch:
            raise ValueError(f"a divisor of batch_size ({batch})")
        return micro_batch

    @property
    def parts(self) -> int:
        """Passes that a batch takes."""
        return self.batch_size // (self.micro_batch or self.batch_size)

    def identity(self) -> dict[str, Any]:
        """See `RecipeConfig`; parts where there are any, so that supernets of before keep their names."""
        known = super().identity()
        return known if self.micro_batch else {k: v for k, v in known.items() if k != "micro_batch"}


class SupernetConfig(_Section):
    """One-shot training of the supernet. Each ablation of Table 3 is one field."""

    strategy: str = ONE_SHOT  # module with train_supernet()
    sharing: str = "strategies.multi_head_sharing"  # ablation: strategies.prefix_sharing
    sampling: str = "strategies.hierarchical_sampling"  # ablation: strategies.uniform_sampling
    sandwich: bool = True  # ablation: false
    random_subnetworks: int = Field(2, ge=1, le=1000)  # n of the sandwich rule
    curve_points: int = Field(10, ge=1, le=10_000)  # how often the curves of Fig. 5 are measured
    checkpoint_minutes: float = Field(5, ge=0)  # how often a resumable checkpoint is written
    # GPUs that train it together, each its share of a batch's parts; processes where there is no GPU.
    devices: int = Field(1, ge=1, le=1024)
    recipe: SupernetRecipe = SupernetRecipe(epochs=540)

    @field_validator("recipe", mode="before")
    @classmethod
    def _any_recipe(cls, recipe: Any) -> Any:
        """A recipe of a single network is one without parts."""
        return recipe.model_dump() if type(recipe) is RecipeConfig else recipe

    @field_validator("recipe")
    @classmethod
    def _no_stochastic_depth(cls, recipe: SupernetRecipe) -> SupernetRecipe:
        if recipe.survival != 1:
            raise ValueError("a supernet's recipe has survival 1: sampling drops blocks already (Table 5)")
        return recipe

    @field_validator("recipe")
    @classmethod
    def _a_share_for_each(cls, recipe: SupernetRecipe, info: ValidationInfo) -> SupernetRecipe:
        devices = info.data.get("devices", 1)
        if recipe.parts % devices:
            raise ValueError(
                f"batch_size / micro_batch a multiple of the {devices} devices; it is {recipe.parts}"
            )
        return recipe


_Flops = Annotated[float, Field(gt=0, allow_inf_nan=False)]


_FEWEST_PILOTS = 4  # each of the paper's operators alone, and another one


class FinalistsConfig(_Section):
    """Who is trained from scratch after the search, and how long; see `trionet_nni.finalists.halving`.

    They are trained by the experiment's `retrain` recipe, on the training images.
    """

    # Networks of a budget: the best one of each operator alone, and candidates that differ from them
    count: int = Field(8, ge=2, le=100)
    # Optimizer steps of each training; as many as `retrain` has choose for it best, a quarter at random
    steps: int = Field(ge=1, le=10**9)
    # Trainings of the best ones, each with another seed and other search images; after each the worse half
    # is left out
    repeats: int = Field(3, ge=1, le=20)
    # Candidates of all ranks that are trained before the `count` others are chosen, by a regression over
    # them (`trionet_nni.finalists.pilots`), the best of each operator alone among them. 0: none
    pilots: int = Field(0, ge=0, le=1000)

    @model_validator(mode="after")
    def _pilots_teach(self) -> FinalistsConfig:
        if 0 < self.pilots < _FEWEST_PILOTS:
            raise ValueError(f"pilots 0, or {_FEWEST_PILOTS} and more")
        return self

    @model_validator(mode="before")
    @classmethod
    def _without_halvings(cls, data: Any) -> Any:
        """`halvings: 0`, which experiments of before have, means one training each."""
        if not isinstance(data, dict) or "halvings" not in data:
            return data
        if data["halvings"] != 0:
            raise ValueError("halvings 0, or left out: repeats has taken its place")
        return {"repeats": 1, **{name: value for name, value in data.items() if name != "halvings"}}


class CeilingsConfig(_Section):
    """Hard limits of every candidate beside FLOPs."""

    params: int | None = Field(None, ge=1)  # of a network
    # Milliseconds of a pass, as the table predicts it: `trionet latency --table` writes it on the machine
    # that the networks are for, with a backend, a batch and threads
    latency_ms: float | None = Field(None, gt=0)
    table: str | None = None  # relative to the folder that holds `spaces/`

    @model_validator(mode="after")
    def _latency_has_a_table(self) -> CeilingsConfig:
        if (self.latency_ms is None) != (self.table is None):
            raise ValueError("latency_ms and table together, or neither")
        return self


class SearchConfig(_Section):
    """Evolution under one or several hard FLOPs budgets (Eq. 3; docs/paper-choices.md).

    One budget is `max_flops`; several are `budgets`, and `max_flops` is then the largest of them.
    FLOPs are those of one image, 2 × multiply-accumulates.
    """

    strategy: str = "strategies.evolution"  # module with build(), see trionet_nni.nnictl.search.strategy
    # Several budgets served by one search, ascending: each is a hard limit with a winner of its own
    budgets: tuple[_Flops, ...] | None = Field(None, min_length=1)
    max_flops: float = Field(gt=0)  # hard limit of every candidate; left out where there are budgets
    min_flops: float = Field(0, ge=0)  # hard lower limit of every candidate, whatever the band
    budget: CeilingsConfig | None = None  # further hard limits: parameters, latency
    # A budget is meant to be used, and a supernet ranks better among equals: candidates cost at least this
    # share of the budget they are made for, and each operator alone is in the first population. 0: the
    # paper's search, with any cost below the budget and a first population drawn at random.
    band: float = Field(0.9, ge=0, le=1)
    # What ranks candidates, on the search images: cross entropy, which Eq. 3 minimizes, or top-1 accuracy
    metric: Metric = "loss"
    population: int = Field(50, ge=2)  # random candidates at the start, in all: spread over the budgets
    parents: int = Field(10, ge=1)  # best candidates within a budget, which may have children
    mutation: float = Field(0.1, gt=0, le=1)  # chance of each active gene
    crossover: float = Field(0.5, ge=0, le=1)  # share of children made by crossover
    retries: int = Field(2, ge=0)  # of a candidate whose trial failed
    time_limit: float = Field(3600, gt=0)  # seconds of one candidate; one that hangs has failed
    warm: bool = True  # evaluators stay between candidates; false: each trial loads everything itself
    finalists: FinalistsConfig | None = None  # the best, trained from scratch; the paper has none
    seed: Seed = 0

    @property
    def limits(self) -> tuple[float, ...]:
        """Every budget in FLOPs, ascending; `max_flops` alone where that is all there is."""
        return self.budgets or (self.max_flops,)

    @property
    def limits_field(self) -> str:
        """What the budgets are called in the experiment file."""
        return "budgets" if self.budgets else "max_flops"

    @model_validator(mode="before")
    @classmethod
    def _largest_is_hard_limit(cls, data: Any) -> Any:
        """Whoever asks for the hard limit finds it in one place, however the budgets were written."""
        if isinstance(data, dict) and isinstance(data.get("budgets"), list | tuple) and data["budgets"]:
            return {"max_flops": data["budgets"][-1], **data}
        return data

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, budgets: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if budgets is not None and list(budgets) != sorted(set(budgets)):
            raise ValueError("budgets in ascending order, each once")
        return budgets

    @field_validator("max_flops")
    @classmethod
    def _one_way_to_say_it(cls, max_flops: float, info: ValidationInfo) -> float:
        budgets = info.data.get("budgets")
        if budgets and max_flops != budgets[-1]:
            raise ValueError(f"left out, or the largest of the budgets, {budgets[-1]:.4g}")
        return max_flops


class ProjectConfig(_Section):
    """What an experiment is about: `tuner.classArgs`."""

    space: str  # module with TABLE and build()
    data: DataConfig = DataConfig()
    supernet: SupernetConfig = SupernetConfig()
    search: SearchConfig
    retrain: RecipeConfig = RecipeConfig()
    finetune: RecipeConfig = RecipeConfig(learning_rate=1e-3, epochs=10, warmup_epochs=0)

    def supernet_hash(self) -> str:
        """Name of a supernet: equal exactly when space, data and training recipe are equal."""
        cadence = {"curve_points", "checkpoint_minutes", "devices"}  # none is part of what is trained
        parts = {
            "space": self.space,
            "data": self.data.identity(),
            "supernet": {
                **self.supernet.model_dump(exclude=cadence),
                "recipe": self.supernet.recipe.identity(),
            },
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_project(data: Any, source: str) -> ProjectConfig:
    """Validate `tuner.classArgs`.

    Args:
        source: what messages begin with: the file and the place in it.

    Raises:
        InputError: one line for the first thing that is wrong.
    """
    search = data.get("search") if isinstance(data, dict) else None
    halving = search.get("halving") if isinstance(search, dict) else None
    if halving is not None:
        allowed = "left out: successive halving was removed (docs/results.md says why)"
        raise InputError(f"{source}: search.halving: found {shown(halving)}, allowed: {allowed}")
    try:
        return ProjectConfig.model_validate(_without_halving(data))
    except ValidationError as error:
        raise refused(error, source, ProjectConfig) from None


def parse_stored(data: Any, source: str) -> ProjectConfig:
    """Validate the settings that an experiment stored when it began, perhaps under an older version.

    A field that they lack means what it meant then, see `settings.before`: the search goes on as it began.

    Raises:
        InputError: one line for the first thing that is wrong.
    """
    return parse_project(as_before(_without_halving(data)), source)


def _without_halving(data: Any) -> Any:
    """Settings without the field of 0.1.0 that is known no more; its own files say null there, mostly."""
    if not isinstance(data, dict) or not isinstance(data.get("search"), dict):
        return data
    return {**data, "search": {name: value for name, value in data["search"].items() if name != "halving"}}


def load_experiment(path: str | Path) -> ProjectConfig:
    """Read the project's part of an experiment file; relative data roots start at its codeDirectory.

    Raises:
        InputError: one line that names the file, the field, what was found and what is allowed.
    """
    path = Path(path)
    return project_of(read_yaml(path), path)


def project_of(settings: dict[str, Any], path: Path) -> ProjectConfig:
    """The project's part of an experiment file that was read.

    Args:
        settings: the whole document.
        path: the file, for messages.

    Raises:
        InputError: one line that names the file, the field, what was found and what is allowed.
    """
    tuner = settings.get("tuner")
    if not isinstance(tuner, dict) or not isinstance(tuner.get("classArgs"), dict):
        raise InputError(f"{path}: tuner.classArgs: found none, allowed: the experiment's settings")
    return parse_project(tuner["classArgs"], f"{path}: tuner.classArgs")
