"""Every hostile input gets its line, and no payload is executed; see also `python -m tests.hostile`."""

from __future__ import annotations

import ast
import pickle
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

from tests.helpers.checkout import ROOT
from tests.hostile import bench
from tests.hostile.case import ACCEPTED, CANARY, OTHER, REFUSED, TRACEBACK, USABLE, Case, outcome, says
from tests.hostile.corpus import CASES
from tests.hostile.payloads import expression, nni_payloads, opens_canary
from trionet_nni.errors import InputError


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_hostile_input(case: Case, tmp_path: Path) -> None:
    result = outcome(case, tmp_path)
    assert result.verdict == (USABLE if case.usable else REFUSED), f"{result.told}\nwanted: {case.line}"


def test_the_corpus_is_large_and_names_no_case_twice() -> None:
    counts = Counter((case.kind, case.name) for case in CASES)
    assert len(CASES) >= 150 and not [name for name, count in counts.items() if count > 1]


@pytest.mark.parametrize(
    "run, verdict",
    [
        (lambda folder: 0, ACCEPTED),
        (lambda folder: None, ACCEPTED),
        (lambda folder: 1 / 0, TRACEBACK),
        (lambda folder: _refuse("a.yml: b: found 1, allowed: 2"), REFUSED),
        (lambda folder: _refuse("a.yml: c: found 1, allowed: 2"), OTHER),
        (lambda folder: _refuse("a.yml: b: wrong"), OTHER),  # neither found nor allowed
        (lambda folder: (folder / CANARY).touch() or _refuse("a.yml: b: found 1, allowed: 2"), ACCEPTED),
    ],
)
def test_the_bench_can_tell(run: object, verdict: str, tmp_path: Path) -> None:
    case = Case("bench", "a case", "a function", run, says("a.yml: b: "))
    assert outcome(case, tmp_path).verdict == verdict


def _refuse(message: str) -> int:
    raise InputError(message)


def _executed(folder: Path) -> bool:
    found = (folder / CANARY).exists()
    (folder / CANARY).unlink(missing_ok=True)
    return found


def test_payloads_are_live_where_they_are_trusted(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(opens_canary(tmp_path)))
    assert _executed(tmp_path)
    torch.save(opens_canary(tmp_path), tmp_path / "x.pt")
    torch.load(tmp_path / "x.pt", weights_only=False)
    assert _executed(tmp_path)
    eval(expression(tmp_path))
    assert _executed(tmp_path)
    yaml.unsafe_load(f"!!python/object/apply:builtins.open [{tmp_path / CANARY}, w]")
    assert _executed(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in nni_payloads(Path()) if kind.startswith("NNI")])
def test_nni_s_serializer_runs_what_trials_here_only_parse(kind: str, tmp_path: Path) -> None:
    import json

    import nni

    payload = nni_payloads(tmp_path)[kind]
    try:
        nni.load(json.dumps(payload))
    except Exception as error:  # what was unpickled is no type: it was opened all the same
        assert not isinstance(error, FileNotFoundError)
    assert _executed(tmp_path)


def _calls(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_code_reads_data_in_a_way_that_can_run_code() -> None:
    forbidden = (
        "pickle.load",
        "eval(",
        "exec(",
        "yaml.unsafe_load",
        "yaml.full_load",
        "nni.load",
        "marshal.load",
    )
    for path in (
        path for part in ("trionet_nni", "strategies", "spaces") for path in (ROOT / part).rglob("*.py")
    ):
        for call in _calls(path):
            assert not call.startswith(forbidden), f"{path}: {call}"
            assert not call.startswith("torch.load(") or call.endswith("weights_only=True)"), (
                f"{path}: {call}"
            )
            assert not call.startswith("yaml.load(") or call.endswith("Loader=_Loader)"), f"{path}: {call}"


def test_what_the_inputs_are_made_from_is_right(tmp_path: Path) -> None:
    from trionet_nni.experiment.folder import ExperimentFolder
    from trionet_nni.export.load import load
    from trionet_nni.nnictl.candidate.scoring import Scoring

    assert load(bench.exported(tmp_path)).architecture == bench.ARCHITECTURE
    scoring = Scoring(ExperimentFolder(bench.finished(tmp_path)))
    scoring.prepare()  # the supernet's weights are taken
    assert scoring.score(bench.ARCHITECTURE.to_sample()).accuracy == 0.5
