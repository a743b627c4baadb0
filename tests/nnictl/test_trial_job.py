"""What a trial knows before it imports anything: its folder, its job, its metrics, its interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.fake_manager import FakeManager
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.nnictl.candidate.job import Reporter, TrialJob, fetch_job, metric_number
from trionet_nni.nnictl.manager.rest import Manager


def test_job_is_awaited_until_it_is_stored(channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked for this machine
    record = {"parameter_id": 4, "parameters": {"a": 1}}
    FakeManager.answers = [None, {"trialJobId": "abc"}, {"hyperParameters": [json.dumps(record)]}]
    job = fetch_job({"NNI_TRIAL_JOB_ID": "abc", "NNI_TRIAL_COMMAND_CHANNEL": channel})
    assert (job.parameter_id, job.parameters, job.is_supernet) == (4, {"a": 1}, False)


def test_parameters_of_nni_s_serializer_are_not_executed(channel: str, tmp_path: Path) -> None:
    bomb = {"__symbol__": "path:os.system", "__kwargs__": {"command": f"touch {tmp_path}/boom"}}
    FakeManager.answers = [{"hyperParameters": [json.dumps({"parameter_id": 0, "parameters": bomb})]}]
    job = fetch_job({"NNI_TRIAL_JOB_ID": "abc", "NNI_TRIAL_COMMAND_CHANNEL": channel})
    assert job.parameters == bomb and not (tmp_path / "boom").exists()


def test_missing_job_ends_the_wait(channel: str) -> None:
    with pytest.raises(TimeoutError, match="stored no parameters"):
        fetch_job({"NNI_TRIAL_JOB_ID": "abc", "NNI_TRIAL_COMMAND_CHANNEL": channel}, patience=0.2)


def test_metrics_carry_the_job_s_own_id(channel: str) -> None:
    reporter = Reporter(TrialJob("abc", 9, {}, channel))
    reporter.intermediate({"default": 0.25})
    reporter.final({"default": 0.5})
    first, last = (json.loads(command["metric"]) for command in FakeManager.received)
    assert (first["type"], first["parameter_id"], first["sequence"]) == ("PERIODICAL", 9, 0)
    assert (last["type"], last["parameter_id"], last["trial_job_id"]) == ("FINAL", 9, "abc")
    assert json.loads(last["value"]) == {"default": 0.5}
    with pytest.raises(ValueError, match="finite"):
        reporter.final({"default": float("nan")})
    assert len(FakeManager.received) == 2


@pytest.mark.parametrize(
    "value, number",
    [
        ('{"default": 0.5, "flops": 3}', 0.5), ("0.25", 0.25), (1, 1.0), ('"abc"', None), ("abc", None),
        ("NaN", None), ("Infinity", None), ('{"flops": 3}', None), ("true", None), ("null", None),
        ('{"default": "0.5"}', None), (None, None), ("[1]", None),
    ],
)  # fmt: skip
def test_only_finite_numbers_count(value: object, number: float | None) -> None:
    assert metric_number(value) == number


def test_addresses() -> None:
    assert Manager.of_trial("http://localhost:8080/x/env/local-env/t").address == "http://localhost:8080/x"
    assert Manager.of_tuner("ws://localhost:8080/x/tuner").address == "http://localhost:8080/x"


def test_trial_finds_its_experiment(tmp_path: Path) -> None:
    output = tmp_path / "runs" / "e1" / "environments" / "local-env" / "trials" / "t1"
    folder = ExperimentFolder.of_trial({"NNI_OUTPUT_DIR": str(output), "NNI_EXP_ID": "e1"})
    assert folder.root == tmp_path / "runs" / "e1"
    assert folder.cache == tmp_path / "runs" / "cache"
    assert folder.supernet_directory("h") == tmp_path / "runs" / "supernets" / "h"
    with pytest.raises(LookupError, match="run by nnictl"):
        ExperimentFolder.of_trial({})


def test_trial_needs_only_the_standard_library_until_it_has_its_job() -> None:
    code = (
        "import sys; before = set(sys.modules); import trionet_nni.nnictl.trial; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['trionet_nni']"


def test_trial_by_hand_explains_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NNI_OUTPUT_DIR", "NNI_EXP_ID"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-m", "trionet_nni.nnictl.trial"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "run by nnictl" in done.stderr and "Traceback" not in done.stderr
