"""Commands on a disk that is full or broken: one line, exit status 1, and the same command goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.faulty_files import Faults
from tests.helpers.tiny_experiment import finished, project
from trionet_nni.cli import main
from trionet_nni.experiment.folder import ExperimentFolder
from trionet_nni.export.retrain import retrain
from trionet_nni.files.atomic import write_json, write_text
from trionet_nni.nnictl import trial
from trionet_nni.nnictl.candidate.job import SUPERNET, Reporter, TrialJob
from trionet_nni.nnictl.candidate.scoring import Scoring
from trionet_nni.nnictl.evaluator import _scored
from trionet_nni.supernet.folder import is_complete

_SMALL = """
mount -t tmpfs -o size="$3" none "$1" && cp -r "$2" "$2"/../.cache "$1" || exit 77
"$4" -m trionet_nni.cli retrain "$1"/network; echo "status $?" >&2
mount -o remount,size=1g "$1" || exit 77
"$4" -m trionet_nni.cli retrain "$1"/network || exit 78
cp "$1"/network/retrained.safetensors "$5"
"""


def one_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.strip()]
    assert "same command goes on" in line and "No space left" in line
    return line


@pytest.mark.slow
def test_a_small_disk_of_its_own(network_folder: Path, tmp_path: Path) -> None:
    """A real one, which the checkpoint fills."""
    whole = Path(shutil.copytree(network_folder, tmp_path / "whole"))
    retrain(whole, progress=False)
    (checkpoint,) = whole.glob("runs/*/last.ckpt")
    files = [path for place in (network_folder, tmp_path / ".cache") for path in place.rglob("*")]
    size = sum(path.stat().st_size + 4096 for path in files) + int(0.4 * checkpoint.stat().st_size)
    place, found = tmp_path / "disk", tmp_path / "found.safetensors"
    place.mkdir()
    arguments = [str(place), str(network_folder), str(size), sys.executable, str(found)]
    command = ["unshare", "-rm", "sh", "-c", _SMALL, "sh", *arguments]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: no disk of its own")
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if run.returncode in (1, 77):
        pytest.skip(f"no disk of its own: {run.stderr.strip()[-100:]}")
    assert run.returncode == 0, run.stderr
    first, _ = run.stderr.split("status 1\n")
    assert "Traceback" not in run.stderr and "Error" not in run.stderr
    print(one_line("\n".join(line for line in first.splitlines() if line.startswith("trionet:"))))
    assert found.read_bytes() == (whole / "retrained.safetensors").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "trionet_nni.cli", "count", "axial-26"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    one_line(run.stderr)


@pytest.mark.parametrize("file", ["last.ckpt", "result.json", "segment.yml"])
def test_segmentation(
    panoptic_run: Path,
    tmp_path: Path,
    file: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["segment", "train", str(panoptic_run), "-o", str(tmp_path / "run"), "--json"]
    with Faults(file, 2, errno.ENOSPC):
        assert main(command) == 1
    lines = capsys.readouterr().err.splitlines()
    assert file in one_line("\n".join(line for line in lines if line.startswith("trionet:")))
    assert main(command) == 0


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentFolder:
    """One that has begun: no supernet, no result."""
    files = ExperimentFolder(tmp_path / "runs" / "faulty01")
    config = project()
    write_json(files.project, config.model_dump(mode="json"))
    write_json(files.cost, {"classes": 10, "channels": 3, "image_size": 28})
    write_text(files.code, f"{ROOT}\n")
    for name in ("intermediate", "final"):
        monkeypatch.setattr(Reporter, name, lambda *_: None)
    return files


@pytest.mark.parametrize("file", ["last.ckpt", "supernet.safetensors", "complete.json", "inputs.json"])
def test_the_supernets_trial(
    experiment: ExperimentFolder, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = TrialJob("abc", 0, dict(SUPERNET), "http://127.0.0.1:9")
    with Faults(file, 2, errno.ENOSPC):
        assert trial._run_here(experiment, job) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert file in one_line("\n".join(lines))
    assert trial._run_here(experiment, job) == 0
    identity = project().supernet_hash()
    assert is_complete(experiment.supernet_directory(identity), identity)


def test_a_candidates_trial_and_the_evaluator(
    experiment: ExperimentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    done = finished()
    shutil.copy(done.supernet, experiment.supernet)
    result = next(path for path in done.evaluations.iterdir())
    sample = _sample(done)
    job = TrialJob("abc", 1, sample, "http://127.0.0.1:9")
    with Faults(result.name, 2, errno.ENOSPC):
        assert trial._run_here(experiment, job) == 1
    one_line(capsys.readouterr().err)
    scoring, question = Scoring(experiment), {"parameters": sample, "trial": "abc", "number": "1"}
    with Faults(result.name, 2, errno.ENOSPC):
        answer = _scored(scoring, question)
    assert answer["failed"] and "metrics" not in answer
    one_line(answer["error"])
    assert not list(experiment.evaluations.iterdir())
    assert "metrics" in _scored(scoring, question)  # the same evaluator, once there is room


def _sample(done: ExperimentFolder) -> dict[str, Any]:
    from trionet_nni.supernet.results import ResultsStore

    first = next(path for path in done.evaluations.iterdir())
    result = ResultsStore(done.evaluations, "loss").get(first.stem)
    assert result is not None
    return dict(result.architecture.to_sample())
