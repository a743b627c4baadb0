"""`trionet reproduce`: every table and figure from its jobs to its files, on real digits, very short."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from tests.helpers.checkout import ROOT
from tests.helpers.jobs import Noted, run_here
from tests.helpers.patience import until
from tests.helpers.tiny import CACHE, digit_folder
from trionet_nni.architecture.architecture import Architecture
from trionet_nni.cli import main
from trionet_nni.errors import InputError
from trionet_nni.files.atomic import write_text
from trionet_nni.reproduce import mixed, paper
from trionet_nni.reproduce.ablation import OURS, SWITCHES, Table3
from trionet_nni.reproduce.items import ITEMS, item_of
from trionet_nni.reproduce.jobs import RESULT, SupernetJob, read_result
from trionet_nni.reproduce.pool import JobFailed, Pool, run_jobs, with_needs
from trionet_nni.reproduce.scale import SIZES, Scale, Sizes, open_scale
from trionet_nni.reproduce.statistics import Claim, Spread
from trionet_nni.reproduce.training import RandomLike, Training

WORK = CACHE.parent / "reproduce"
SEEDS = (0, 1)


def short_experiment() -> Path:
    """experiments/replica.yml on 200 digits, with a supernet of eight steps and three candidates."""
    settings: dict[str, Any] = yaml.safe_load((ROOT / "experiments" / "replica.yml").read_text())
    settings |= {"maxTrialNumber": 4, "experimentWorkingDirectory": str(WORK)}
    settings["tuner"]["codeDirectory"] = str(ROOT)
    arguments = settings["tuner"]["classArgs"]
    arguments["data"] |= {"root": str(digit_folder()), "image_size": 16}
    arguments["data"] |= {"search_images": 40, "recalibration_images": 32}
    arguments["search"] |= {"population": 2, "parents": 2}
    for recipe in (arguments["supernet"]["recipe"], arguments["retrain"], arguments["finetune"]):
        recipe |= {"epochs": 0.5, "batch_size": 16, "warmup_epochs": 0}
    arguments["supernet"]["curve_points"] = 2
    path = WORK / "replica.yml"
    write_text(path, yaml.safe_dump(settings))
    return path


@cache
def scale() -> Scale:
    """The replica's sizes, shortened."""
    file = short_experiment()
    sizes = SIZES["replica"]
    short = Sizes(
        str(file),
        0.5,
        (1e6, 2e6, 4e6, 1e9),
        (32, 48, None),
        {name: networks[:1] for name, networks in sizes.families.items()},
        {"first": str(file), "second": str(file)},
        sizes.small[:2],
    )
    opened = open_scale("replica", file)
    return Scale("replica", short, opened.config, opened.working, opened.candidates)


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_an_item_comes_to_its_table_and_figure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixed, "NETWORKS", 2)
    item = item_of(name, scale(), SEEDS)
    run_here(item.jobs(), scale().working)
    report = item.report()
    text, table, figure = report.write(tmp_path)
    assert figure.read_bytes().startswith(b"\x89PNG")
    header, *rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert rows and {len(row) for row in rows} == {len(header)}
    assert all(claim.text in text.read_text(encoding="utf-8") for claim in report.claims)
    assert "seed" in text.read_text(encoding="utf-8").lower()


def test_what_is_there_is_used_and_not_measured_again(tmp_path: Path) -> None:
    item = item_of("table3", scale(), SEEDS)
    run_here(item.jobs(), scale().working)
    before = {path: path.stat().st_mtime_ns for path in WORK.rglob(RESULT)}
    supernets = {path: path.stat().st_mtime_ns for path in WORK.glob("supernets/*/supernet.safetensors")}
    run_jobs(item.jobs(), scale().working, 2, Console(quiet=True))
    run_jobs(item_of("fig5a", scale(), SEEDS).jobs(), scale().working, 2, Console(quiet=True))
    assert {path: path.stat().st_mtime_ns for path in WORK.rglob(RESULT)} == before
    assert supernets == {path: path.stat().st_mtime_ns for path in supernets}


def test_settings_of_table_3_differ_in_one_switch_each() -> None:
    table = item_of("table3", scale(), (0,))
    assert isinstance(table, Table3)
    ours = table.search(OURS, 0).config.model_dump()
    for name in SWITCHES:
        other = table.search(name, 0).config.model_dump()
        different = {key for key in ours["supernet"] if ours["supernet"][key] != other["supernet"][key]}
        assert len(different) == (name != OURS)
        assert {key: ours[key] for key in ours if key != "supernet"} == {
            key: other[key] for key in other if key != "supernet"
        }


def test_supernets_of_table_3_serve_the_figures() -> None:
    table = set(with_needs(item_of("table3", scale(), SEEDS).jobs()))
    for name in ("fig5a", "fig5b", "fig6a"):
        assert set(item_of(name, scale(), SEEDS).jobs()) <= table


def test_an_interrupted_search_repeats_no_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    search = item_of("table3", scale(), (0,)).search(OURS, 0)  # type: ignore[attr-defined]
    run_here([search], scale().working)
    folder = search.folder(scale().working)
    whole = read_result(folder)
    (folder / RESULT).unlink()
    asked: list[Architecture] = []
    monkeypatch.setattr(
        "trionet_nni.supernet.evaluator.Evaluator.evaluate", lambda self, network: asked.append(network)
    )
    search.run(scale().working)
    assert asked == [] and read_result(folder) == whole


def test_the_random_network_has_the_winners_flops() -> None:
    search = item_of("table3", scale(), (0,)).search(OURS, 0)  # type: ignore[attr-defined]
    run_here([search], scale().working)
    wanted = search.result(scale().working)["flops"]
    job = Training(RandomLike(search), search.config)
    run_here([job], scale().working)
    found = job.result(scale().working)
    assert found is not None and abs(found["flops"] / wanted - 1) <= 0.1
    assert found["split"] == "test"


def test_jobs_run_side_by_side_and_after_what_they_need(tmp_path: Path) -> None:
    first, second = Noted("a", other="b"), Noted("b", other="a")
    last = Noted("c", before=(first, second))
    run_jobs([last, first], tmp_path, 2, Console(quiet=True))
    assert last.result(tmp_path) == {"missing": []}


def test_a_job_that_another_command_is_at_is_waited_for_and_not_done_again(tmp_path: Path) -> None:
    """The second pool finds the job missing, and its process finds it done when its turn comes."""
    job, console = Noted("one", other="two"), Console(quiet=True)
    first = Pool([job], tmp_path, 1, console)
    first._start_ready()
    until((tmp_path / "one" / "started.json").exists)
    began = json.loads((tmp_path / "one" / "started.json").read_text())
    second = Pool([job], tmp_path, 1, console)
    second._start_ready()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "started.json").touch()
    for pool in (second, first):
        pool.run()
    assert json.loads((tmp_path / "one" / "started.json").read_text()) == began


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_though_the_log_is_on_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = Pool([Noted("one", full=True)], tmp_path, 1, Console(quiet=True))
    log = pool._log(pool.waiting[0])
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/full")
    with pytest.raises(JobFailed, match=r"job one: results: could not be written or read .No space left"):
        pool.run()
    assert "Traceback" not in capfd.readouterr().err


def test_a_job_that_dies_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"job bad: .*log"):
        run_jobs([Noted("good"), Noted("bad", fails=True)], tmp_path, 1, Console(quiet=True))
    assert Noted("good").result(tmp_path) is not None
    assert Noted("bad").result(tmp_path) is None


_WAITING_FOR_EVER = """
import sys
from pathlib import Path
from rich.console import Console
from tests.helpers.jobs import Noted, run_here
from trionet_nni.reproduce.pool import run_jobs
run_jobs([Noted("one", other="nobody")], Path(sys.argv[1]), 1, Console(quiet=True))
"""


def test_a_job_ends_with_the_pool_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WAITING_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}) as pool:
        started = _soon(lambda: json.loads((tmp_path / "one" / "started.json").read_text()))
        pool.kill()
    assert _soon(lambda: not Path(f"/proc/{started['pid']}").exists())


def _soon(look: Callable[[], Any]) -> Any:
    """What it finds, as soon as it does."""
    found: list[Any] = []

    def looked() -> bool:
        with suppress(OSError):
            found.append(look())
        return bool(found and found[-1])

    until(looked)
    return found[-1]


def test_claims_hold_only_beyond_noise() -> None:
    clear = Claim.of("a > b", [0.80, 0.81, 0.82], [0.70, 0.71, 0.73])
    assert clear.verdict == "held" and clear.for_it == "3 of 3"
    assert Claim.of("a > b", [0.70, 0.71, 0.73], [0.80, 0.81, 0.82]).verdict == "reversed"
    assert Claim.of("a > b", [0.80, 0.70, 0.75], [0.75, 0.74, 0.76]).verdict == "not shown"
    assert Claim.of("a > b", [0.9], [0.1]).verdict == "not shown"  # one seed shows nothing


def test_losses_speak_for_a_claim_where_they_are_less_and_what_would_decide_is_told() -> None:
    assert Claim.of_losses("a", [0.20, 0.21, 0.23], [0.30, 0.31, 0.32]).verdict == "held"
    undecided = Claim("a", (0.3, 0.0, 0.1), unit="loss")
    assert undecided.verdict == "not shown" and undecided.deciding == 6
    as_many = Claim("a", (0.3, 0.0, 0.1) * 2, unit="loss")  # no more spread than before, and six of them
    assert as_many.verdict == "held" and as_many.deciding is None
    assert Claim("a", (0.1, -0.1), unit="loss").deciding is None  # nothing would


def test_the_interval_is_students() -> None:
    low, high = Claim("a > b", (1.0, 2.0, 3.0)).interval or (0, 0)
    assert (low, high) == pytest.approx((2 - 2.92 / 3**0.5, 2 + 2.92 / 3**0.5), abs=1e-3)
    assert Spread.of([0.5, 0.7]).percent() == "60.0 ± 14.1"


def test_the_papers_numbers_stand_apart() -> None:
    """Table 3's columns of the paper come from paper.py whatever was measured."""
    item = item_of("table3", scale(), SEEDS)
    run_here(item.jobs(), scale().working)
    report = item.report()
    columns = [index for index, name in enumerate(report.header) if name.startswith("paper")]
    for row in report.rows:
        flops, accuracy = paper.TABLE3[row[0]]
        assert [row[index] for index in columns] == [f"{flops:.1f} B", f"{accuracy:.1f}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table9"], "reproduce: found 'table9', allowed: table2"),
        (["table3", "--scale", "huge"], "--scale: found 'huge', allowed: paper, replica, replica-long"),
        (["table3", "--seeds", "0"], "--seeds 0"),
        (["table3", "--experiment", "none.yml"], "none.yml: cannot be read"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, capsys: Any) -> None:
    assert main(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_both_scales_are_shipped() -> None:
    for name in SIZES:
        opened = open_scale(name)
        for item in ITEMS:
            jobs = with_needs(item_of(item, opened, SEEDS).jobs())
            assert any(isinstance(job, SupernetJob) for job in jobs)
    with pytest.raises(InputError):
        open_scale("none")
