"""Which results a new experiment takes from an earlier one."""

from __future__ import annotations

from pathlib import Path

from spaces.small import TABLE
from tests.helpers.tiny_experiment import CANDIDATES, finished, project
from trionet_nni.architecture.ceiling import parameter_ceiling
from trionet_nni.architecture.cost import CostModel
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.search.taken import take
from trionet_nni.supernet.results import ResultsStore

COST = CostModel(classes=10, channels=1, image_size=28)


def test_results_outside_of_a_limit_are_not_taken(tmp_path: Path) -> None:
    origin, config = finished().root, project()
    found = ResultsStore(ExperimentFolder(origin).evaluations, "loss").all()
    most = sorted(one.params for one in found)[1]
    ceiling = parameter_ceiling(TABLE, COST, most, "search.budget.params")
    flops = sorted(one.flops for one in found)[1]
    search = config.search.model_copy(update={"max_flops": float(flops)})
    for limited, ceilings in ((config, [ceiling]), (config.model_copy(update={"search": search}), [])):
        new = ExperimentFolder(tmp_path / str(len(ceilings)))
        assert take(origin, new, limited, ceilings) == len(CANDIDATES) - 1
        taken = ResultsStore(new.evaluations, "loss").all()
        assert all(one.params <= most if ceilings else one.flops <= flops for one in taken)
        assert {one.architecture for one in taken} <= {one.architecture for one in found}
