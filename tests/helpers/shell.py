"""A shell in a pseudo-terminal, in which commands are typed as a user types them."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from tests.helpers.checkout import ROOT
from tests.helpers.patience import until

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROMPT = re.compile(r"\[(\d+)\] \$ $")  # the exit status of the last command, and a dollar


class Shell:
    """bash with this environment's commands, this checkout's code and a home of its own; a context manager.

    Args:
        folder: for the home, so that NNI's list of experiments and all processes are known by it.
        variables: of the environment, besides.

    Attributes:
        said: all that stood on the terminal.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)  # a test may have made it
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
            "PS1": r"[$?] $ ",
            "TERM": "dumb",
            **variables,
        }
        environment.pop("NODE_OPTIONS", None)  # nobody set it first
        self.said = ""
        self.process, self._end = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], environment)
        os.set_blocking(self._end, False)
        self.until(_PROMPT)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def type(self, line: str) -> tuple[str, int]:
        """What a command says, without colours, and its exit status."""
        before = len(self.said)
        os.write(self._end, f"{line}\n".encode())
        found = self.until(_PROMPT, before + len(line))
        output = self.said[before : found.start()].partition("\n")[2]
        return _COLOUR.sub("", output).replace("\r", "").lstrip("\n"), int(found[1])

    def until(self, pattern: re.Pattern[str] | str, start: int = 0) -> re.Match[str]:
        """The first match in what was said, from `start` on, as soon as it is there."""
        wanted, found = re.compile(pattern), list[re.Match[str]]()

        def seen() -> bool:
            with suppress(BlockingIOError, OSError):
                self.said += os.read(self._end, 65536).decode(errors="replace")
            if match := wanted.search(self.said, start):
                found.append(match)
            return bool(found)

        until(seen, lambda: self.said, pause=0.1)
        return found[0]

    def left(self) -> list[psutil.Process]:
        """Processes that know this home, but for the shell itself."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home) and process.pid != self.process:
                    found.append(process)
        return found

    def close(self) -> None:
        """Hang up, as a closed window does."""
        os.close(self._end)
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGHUP)
        os.waitpid(self.process, 0)
