"""`trionet plan FILE --workers N`: the search alone, simulated for so many workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.checkout import ROOT
from trionet_nni.cli import main
from trionet_nni.plan.simulation import Overheads
from trionet_nni.plan.workers import crew_of

CARD = ("--gpu", "l4", "--images", "5000", "--classes", "10")


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """experiments/mine.yml in small, with data that are not here and 4,000 candidates."""
    settings = yaml.safe_load((ROOT / "experiments" / "mine.yml").read_text())
    settings |= {"maxTrialNumber": 4001, "trialConcurrency": 4, "trialGpuNumber": 1}
    settings["trainingService"]["useActiveGpu"] = True
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments |= {"space": "spaces.tiny"}
    arguments["search"] |= {"max_flops": 1e7, "finalists": None}
    path = tmp_path / "tiny.yml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_more_workers_take_less_time_until_something_else_is_the_limit(tiny: str, capsys: Any) -> None:
    assert main(["plan", tiny, *CARD, "--workers", "1", "4", "16", "1024", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    one, four, sixteen, many = found["simulated"]
    assert [crew["workers"] for crew in (one, four, sixteen, many)] == [1, 4, 16, 1024]
    assert one["hours"] > 3 * four["hours"] > 6 * sixteen["hours"]
    assert many["limit"] in ("manager", "store")
    costs = Overheads()
    fastest = found["candidates"] * max(costs.manage, costs.advise) / 3600
    assert all(crew["hours"] >= fastest for crew in (one, four, sixteen, many))
    assert many["loading"] == pytest.approx(1024 * found["loaded_bytes"] / 1.25e9 / 3600)


def test_the_table_says_what_it_rests_on(tiny: str, capsys: Any) -> None:
    assert main(["plan", tiny, *CARD, "--workers", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "4,000 candidates, each worker a machine of its own, simulated",
        "One NNI manager",
        "GB a second",
    ):
        assert part in said, said
    assert main(["plan", tiny, *CARD]) == 0
    assert "simulated" not in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["0", "-3", "5000"])
def test_a_number_of_workers_that_cannot_be_is_one_line(tiny: str, capsys: Any, wrong: str) -> None:
    assert main(["plan", tiny, *CARD, "--workers", wrong]) == 2
    said = capsys.readouterr()
    assert f"--workers: found {wrong}, allowed: 1 to 4,096" in said.err
    assert said.err.count("\n") == 1 and not said.out


def test_what_waits_is_named_by_its_overheads(tiny: str) -> None:
    from trionet_nni.experiment.open import open_experiment
    from trionet_nni.plan.elsewhere import Machine, plan_elsewhere

    plan = plan_elsewhere(open_experiment(Path(tiny)), Machine("l4", 1, 5000, 10))
    assert crew_of(plan, 64, Overheads(manage=1.0)).limit == "manager"
    assert crew_of(plan, 64, Overheads(advise=1.0)).limit == "advisor"
    assert crew_of(plan, 1, Overheads(poll=30.0)).limit == "waiting"
