"""Running jobs: each once, in processes of their own, as many at a time as asked for."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from rich.console import Console

from trionet_nni.errors import failure_line
from trionet_nni.files.text import last_line_of
from trionet_nni.files.turns import alone_in
from trionet_nni.reproduce.jobs import Job, key_of


class JobFailed(RuntimeError):
    """A job ended without a result; the message names its log."""


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    end: Connection
    slot: int
    started: float


def with_needs(jobs: Sequence[Job]) -> list[Job]:
    """The jobs and all that they need, each once, needs first."""
    ordered: dict[Job, None] = {}

    def add(job: Job) -> None:
        for need in job.needs:
            add(need)
        ordered.setdefault(job)

    for job in jobs:
        add(job)
    return list(ordered)


def missing(jobs: Sequence[Job], working: Path) -> list[Job]:
    """Those without a result and what they need; what a job with a result needed may be gone."""
    return with_needs([job for job in jobs if job.result(working) is None])


def run_jobs(jobs: Sequence[Job], working: Path, parallel: int, console: Console) -> None:
    """Run what is missing of the jobs and their needs; what is done stays done.

    Every job is a process with its share of the cores, or with one of the cards where there are some. What
    it prints goes to `<working>/reproduce/log/`.

    Raises:
        JobFailed: one had no result; the others that were running have been ended and will go on next time.
    """
    waiting = [job for job in missing(jobs, working) if job.result(working) is None]
    Pool(waiting, working, parallel, console).run()


class Pool:
    """The jobs that are left, and those that run.

    Args:
        waiting: jobs without a result, needs first.
        parallel: how many run at a time.
    """

    def __init__(self, waiting: list[Job], working: Path, parallel: int, console: Console) -> None:
        self.waiting, self.working, self.console = waiting, working, console
        self.total, self.parallel = len(waiting), parallel
        self.done: set[Job] = set()
        self.slots = list(range(parallel))
        self.running: list[_Running] = []
        self._open = set(waiting)

    def run(self) -> None:
        """Run every job, each once its needs are done; the first that fails ends all others."""
        try:
            while self.waiting or self.running:
                self._start_ready()
                ended = wait([one.end for one in self.running])
                for one in [one for one in self.running if one.end in ended]:
                    self._finish(one)
        finally:
            for one in self.running:
                one.process.terminate()
                one.process.join()

    def _start_ready(self) -> None:
        for job in list(self.waiting):
            if not self.slots:
                return
            if all(need not in self._open for need in job.needs):
                self.waiting.remove(job)
                self._start(job, self.slots.pop(0))

    def _start(self, job: Job, slot: int) -> None:
        context = multiprocessing.get_context("spawn")
        end, theirs = context.Pipe(duplex=False)
        log = self._log(job)
        process = context.Process(target=_work, args=(job, self.working, log, slot, self.parallel, theirs))
        process.start()
        theirs.close()  # its end closes with the process, however that ends
        self.running.append(_Running(job, process, end, slot, time.monotonic()))
        self.console.print(f"  start  {job.title}", soft_wrap=True, highlight=False)

    def _finish(self, one: _Running) -> None:
        one.process.join()
        self.running.remove(one)
        self.slots.append(one.slot)
        if one.job.result(self.working) is None:
            log = self._log(one.job)
            said = _told(one.end) or last_line_of(log, "it was killed")
            raise JobFailed(f"{one.job.title}: {said}; see {log}")
        self._open.discard(one.job)
        self.done.add(one.job)
        count = f"{len(self.done)}/{self.total}"
        seconds = time.monotonic() - one.started
        self.console.print(f"{count:>7}  {one.job.title}: {seconds:.0f} s", soft_wrap=True, highlight=False)

    def _log(self, job: Job) -> Path:
        name = "".join(letter if letter.isalnum() else "-" for letter in job.title)[:120]
        return self.working / "reproduce" / "log" / f"{name}-{key_of(repr(job))[:6]}.txt"


def _told(end: Connection) -> str:
    """What a process that is over has told the pool; nothing where it has not."""
    try:
        return str(end.recv()) if end.poll() else ""
    except EOFError:
        return ""


def _work(job: Job, working: Path, log: Path, slot: int, slots: int, end: Connection) -> None:
    """In the job's process; torch is not loaded yet."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads = str(max(1, (os.cpu_count() or 1) // slots))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    _choose_card(slot)
    try:
        with alone_in(log.with_suffix(""), "is at this job"), _said_in(log):
            _run(job, working, end)
    except BaseException:  # told there and in the log, unless that is on the same full disk
        sys.exit(1)
    finally:
        end.close()


def _run(job: Job, working: Path, end: Connection) -> None:
    """Do the job; what ends it from outside of the program is told to the pool, and stands in the log."""
    try:
        from trionet_nni.settings.plugins import use_code
        from trionet_nni.training.process import prepare_process

        use_code(Path.cwd())
        prepare_process()
        if job.result(working) is None:  # another command's pool had it, while this one waited
            job.run(working)
    except BaseException as error:
        line = failure_line(error)
        if line is None:
            traceback.print_exc()
        else:
            end.send(line)
            print(line)
        raise


@contextmanager
def _said_in(log: Path) -> Iterator[None]:
    """What is printed goes into a file, which is begun anew."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        yield


def _end_with_parent() -> None:
    """However the pool dies: a job without it would hold the lock that the next pool waits for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _choose_card(slot: int) -> None:
    """One card a job, by turns; nothing where there is none or the user chose."""
    cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card]
    if not cards:
        cards = [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
    if cards:
        os.environ["CUDA_VISIBLE_DEVICES"] = cards[slot % len(cards)]
