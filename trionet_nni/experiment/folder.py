"""Where an experiment keeps what. Standard library only: a trial needs it before it knows its Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class ExperimentFolder:
    """`<experimentWorkingDirectory>/<id>`, and the folders that its experiments share.

    Attributes:
        root: the experiment's folder, NNI's own files included.
        home: this project's part of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "trionet"
        self.project = self.home / "project.json"  # ProjectConfig, with absolute paths
        self.given = self.home / "experiment.yml"  # the file as it was run, where options changed it
        self.code = self.home / "code.txt"  # folder that `spaces` and `strategies` are imported from
        self.python = self.home / "python.txt"  # interpreter that trials run in
        self.supernet = self.home / "supernet.json"  # {"directory", "hash"} of the trained supernet
        self.images = (
            self.home / "images.safetensors"
        )  # on a host that ssh reaches: see data.scoring_images
        self.training_images = self.home / "training.safetensors"  # there too, for finalists
        self.evaluations = self.home / "evaluations"  # see trionet_nni.supernet.results
        self.finalists = self.home / "finalists"  # see trionet_nni.finalists.results
        self.strategy = self.home / "strategy.json"  # what a resumed search starts from
        self.cost = self.home / "cost.json"  # {"classes", "channels", "image_size"}: what FLOPs depend on
        self.advisor = self.home / "advisor.lock"  # held by the advisor as long as it lives
        self.evaluators = self.home / "evaluators"  # sockets, locks and logs of the evaluators
        self.failures = self.home / "failures.jsonl"  # trials without a result, and why
        self.error = self.home / "error.txt"  # why the search could not go on
        self.log = self.home / "log"
        self.search = self.home / "search.txt"  # which `trionet search` began it: nnictl.terminal.resume
        self.steps = self.home / "steps.txt"  # of the supernet's training, for who watches it
        self.finished = self.home / "finished"  # its best networks were exported by `trionet search`
        self.terminal = self.home / "terminal.lock"  # held by the `trionet search` that watches it

    @property
    def working_directory(self) -> Path:
        """`experimentWorkingDirectory`: the folder of all experiments."""
        return self.root.parent

    @property
    def cache(self) -> Path:
        """Decoded images."""
        return self.working_directory / "cache"

    def supernet_directory(self, supernet_hash: str) -> Path:
        """Where the supernet of this hash is trained, once for all experiments that need it."""
        return self.working_directory / "supernets" / supernet_hash

    def trial_file(self, trial: str, name: str) -> Path:
        """A file that NNI's local service keeps for a trial: trial.stdout, trial.stderr."""
        return self.root / "environments" / "local-env" / "trials" / trial / name

    @classmethod
    def of_dispatcher(cls, environment: Mapping[str, str] = os.environ) -> ExperimentFolder:
        """The folder of the experiment whose advisor this process is."""
        return cls(Path(environment["NNI_LOG_DIRECTORY"]).resolve().parent)

    @classmethod
    def of_trial(cls, environment: Mapping[str, str] = os.environ) -> ExperimentFolder:
        """The folder of the experiment whose trial this process is.

        Raises:
            LookupError: this process is no trial.
        """
        output, experiment = environment.get("NNI_OUTPUT_DIR"), environment.get("NNI_EXP_ID")
        for parent in Path(output).resolve().parents if output else ():
            if parent.name == experiment:
                return cls(parent)
        raise LookupError("NNI_OUTPUT_DIR names no experiment: this command is run by nnictl, not by hand")
