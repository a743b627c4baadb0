"""An experiment, opened once: its file, before anything runs; its folder, once something has run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trionet_nni.architecture.cost import CostModel
from trionet_nni.errors import InputError, shown
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.nni_file import NNI_FIELDS, beside
from trionet_nni.experiment.paths import with_absolute_paths
from trionet_nni.files.text import read_json, read_object
from trionet_nni.files.yaml import read_yaml
from trionet_nni.settings.changes import Change, changed, naming
from trionet_nni.settings.plugins import use_code
from trionet_nni.settings.project import ProjectConfig, parse_stored, project_of
from trionet_nni.supernet.results import ResultsStore

_LARGEST = 10**6  # classes, channels, pixels of a side


@dataclass(frozen=True)
class Experiment:
    """An experiment file that was read. Its parts are looked at when they are asked for.

    Attributes:
        settings: the whole document, NNI's part included, with all changes made.
        changes: what the command line or a schedule said otherwise than the file.
    """

    path: Path
    settings: dict[str, Any]
    changes: tuple[Change, ...] = ()

    @cached_property
    def code(self) -> Path:
        """Where `spaces` and `strategies` are: `tuner.codeDirectory`, relative to the file's folder.

        Raises:
            InputError: it is no folder's name.
        """
        tuner = self.settings.get("tuner")
        given = tuner.get("codeDirectory") if isinstance(tuner, dict) else None
        if not isinstance(given, str):
            raise InputError(f"{self.path}: tuner.codeDirectory: found {shown(given)}, allowed: a folder")
        return beside(self.path, given, self.path.parent)

    @cached_property
    def config(self) -> ProjectConfig:
        """The project's part with absolute paths; from now on its plug-ins can be imported.

        Raises:
            InputError: one line that names the file, the field, what was found and what is allowed.
        """
        from trionet_nni.data.registry import dataset  # torch: seconds

        use_code(self.code)
        with naming(self.path, self.changes):
            config = with_absolute_paths(project_of(self.settings, self.path), self.code)
            dataset(config.data, str(self.path))
        return config

    @property
    def working(self) -> Path:
        """`experimentWorkingDirectory`, NNI's own where none is named."""
        given = self.settings.get("experimentWorkingDirectory")
        return beside(self.path, given, Path.home() / "nni-experiments")

    def changed(self, changes: Sequence[Change]) -> Experiment:
        """The same experiment with other settings.

        A name of NNI's part (`trialConcurrency`) is one of the file, any other one of `tuner.classArgs`.

        Raises:
            InputError: a change goes into something that is no section.
        """
        placed = [replace(one, path=_place(one.path)) for one in changes]
        return Experiment(self.path, changed(self.settings, placed), (*self.changes, *changes))


def _place(path: tuple[str, ...]) -> tuple[str, ...]:
    return path if path[0] in NNI_FIELDS else ("tuner", "classArgs", *path)


def open_experiment(path: Path, changes: Sequence[Change] = ()) -> Experiment:
    """Read an experiment file, once.

    Args:
        changes: of its settings, from the command line.

    Raises:
        InputError: it is no readable YAML document, or a change fits none.
    """
    experiment = Experiment(path, read_yaml(path))
    return experiment.changed(changes) if changes else experiment


@dataclass(frozen=True)
class Run:
    """What an experiment has left behind in its folder so far; its plug-ins can be imported.

    Attributes:
        config: as the search used it.
    """

    folder: ExperimentFolder
    config: ProjectConfig

    @property
    def results(self) -> ResultsStore:
        """Its evaluations, ranked by its metric."""
        return ResultsStore(self.folder.evaluations, self.config.search.metric)

    @property
    def supernet(self) -> Path:
        """The folder of its trained supernet.

        Raises:
            InputError: it has none yet.
        """
        directory = read_object(self.folder.supernet, "a trained supernet").get("directory")
        if not isinstance(directory, str):
            raise InputError(
                f"{self.folder.supernet}: directory: found none, allowed: the supernet's folder"
            )
        return beside(self.folder.supernet, directory, self.folder.home)

    @property
    def cost(self) -> CostModel:
        """What FLOPs depend on.

        Raises:
            InputError: it is not written down yet, or not so.
        """
        path = self.folder.cost
        found = read_object(path, "what a network costs")
        whole = {name: number for name, number in found.items() if type(number) is int and number > 0}
        largest = max(whole.values(), default=0)
        if found.keys() != {"classes", "channels", "image_size"} or whole != found or largest > _LARGEST:
            allowed = f"classes, channels and image_size, each a whole number from 1 to {_LARGEST:,}"
            raise InputError(f"{path}: found {shown(found)}, allowed: {allowed}")
        return CostModel(**whole)


def open_run(folder: ExperimentFolder) -> Run:
    """Open an experiment's folder.

    Raises:
        InputError: its settings cannot be read.
    """
    stored = read_object(folder.project, "an experiment's settings")
    config = parse_stored(stored, str(folder.project))
    if folder.code.exists():
        use_code(Path(folder.code.read_text(encoding="utf-8").strip()))
    return Run(folder, config)


def find_run(experiment: str | Path, home: Path | None = None) -> ExperimentFolder:
    """The folder of an experiment given by its folder or by NNI's id.

    Args:
        home: where NNI keeps its list of experiments; `~/nni-experiments` when None.

    Raises:
        InputError: there is none.
    """
    path = Path(experiment)
    if (path / "trionet").is_dir():
        return ExperimentFolder(path.resolve())
    index = (home or Path.home() / "nni-experiments") / ".experiment"
    known: Any = read_json(index, "NNI's list of experiments") if index.exists() else {}
    entry = known.get(str(experiment)) if isinstance(known, dict) else None
    if isinstance(entry, dict) and isinstance(entry.get("logDir"), str):
        path = Path(entry["logDir"]) / str(experiment)
    if not (path / "trionet").is_dir():
        raise InputError(
            f"experiment: found {str(experiment)!r}, allowed: an id that nnictl experiment list --all "
            "shows, or an experiment's folder (it has a folder trionet inside)"
        )
    return ExperimentFolder(path.resolve())
