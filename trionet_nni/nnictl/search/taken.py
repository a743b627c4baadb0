"""What an experiment begins with that takes the results of an earlier one, whatever is left of that one.

NNI's database can be damaged or gone; an experiment's own folder says everything that was computed. A new
experiment of the same supernet proposes candidates by itself, and those that the earlier one has evaluated
it does not evaluate again. With the same seed, one candidate at a time, they are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trionet_nni.architecture.ceiling import Ceiling
from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.experiment.open import find_run, open_run
from trionet_nni.files.atomic import write_bytes
from trionet_nni.settings.project import ProjectConfig
from trionet_nni.supernet.results import ResultsStore

FROM = "TRIONET_FROM"  # environment variable of a manager: the folder whose results its experiment takes


def origin_of(experiment: str, config: ProjectConfig) -> Path:
    """The folder of an earlier experiment, whose results are true of this one too.

    Args:
        experiment: its folder, or NNI's id.
        config: of the new one.

    Raises:
        InputError: there is none, its results cannot be read, or they are another supernet's.
    """
    folder = find_run(experiment)
    try:
        there = open_run(folder).config.supernet_hash()
        ResultsStore(folder.evaluations, config.search.metric).all()
    except InputError as error:
        raise InputError(f"--from: {error}") from None
    if there != config.supernet_hash():
        found = f"--from: found {folder.root}, an experiment with supernet {there}"
        raise InputError(f"{found}, allowed: one with this file's, {config.supernet_hash()}")
    return folder.root


def take(
    origin: Path, folder: ExperimentFolder, config: ProjectConfig, ceilings: Sequence[Ceiling] = ()
) -> int:
    """Store the results of an earlier experiment as a new one's; how many candidates there are.

    What is outside of the new one's limits stays where it is. Results of finalists are taken where they
    were trained by the same recipe.

    Args:
        ceilings: limits of the new one beside FLOPs.
    """
    earlier = ExperimentFolder(origin)
    search, store = config.search, ResultsStore(folder.evaluations, config.search.metric)
    results = ResultsStore(earlier.evaluations, search.metric).all()
    taken = [
        one
        for one in results
        if search.min_flops <= one.flops <= search.max_flops
        and all(ceiling.allows(one.architecture) for ceiling in ceilings)
    ]
    for one in taken:
        store.add(one)
    there = open_run(earlier).config
    same = (there.retrain, there.search.finalists) == (config.retrain, search.finalists)
    for path in (earlier.finalists / "results").glob("[!.]*.json") if same else ():
        write_bytes(folder.finalists / "results" / path.name, [path.read_bytes()])
    return len(taken)
