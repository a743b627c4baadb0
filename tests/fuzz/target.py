"""One reader under the fuzzer, and what is a finding."""

from __future__ import annotations

import contextlib
import io
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trionet_nni.errors import InputError

SEPARATOR = b"\n====\n"  # between the files of an input that has several
LONGEST_SECONDS = 5.0  # of the processor, for one input
LARGEST_GROWTH = 500_000  # kB of memory that one input may add
_ORIGIN = re.compile(r'File "[^"]*/((?:trionet_nni|strategies)/[^"]+)", line (\d+)')


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: as the command line and the corpus have it.
        read: hands an input to the reader. The folder is for its files; those of the last input are in it.
        seeds: right inputs, which the fuzzer begins with.
        refusals: how the reader may refuse an input. An InputError must be one line besides.
    """

    name: str
    read: Callable[[bytes, Path], object]
    seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[Exception], ...] = (InputError,)


@dataclass(frozen=True)
class Finding:
    """What is wrong with how an input was met.

    Attributes:
        kind: equal for inputs that meet the same mistake: what was raised, and where.
        told: the whole traceback, or what was measured.
    """

    kind: str
    told: str


def judge(target: Target, data: bytes, folder: Path, longest: float = LONGEST_SECONDS) -> Finding | None:
    """Read an input; None where the result is a valid value or a refusal as it should be.

    Args:
        longest: seconds of the processor that an input may take.
    """
    path, memory, began = list(sys.path), _memory(), time.process_time()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            target.read(data, folder)
    except InputError as error:
        wrong = _line(str(error))
        if wrong:
            return Finding(wrong, str(error))
    except target.refusals:
        pass
    except Exception as error:
        told = traceback.format_exc()
        return Finding(f"{type(error).__name__} at {_origin(told)}", told)
    finally:
        sys.path[:] = path
    seconds, growth = time.process_time() - began, _memory() - memory
    if seconds > longest:
        return Finding("slow", f"{seconds:.1f} s of the processor")
    if growth > LARGEST_GROWTH:
        return Finding("large", f"{growth / 1e6:.1f} GB of memory")
    return None


def parts(data: bytes, count: int) -> list[bytes]:
    """The files of an input; those that it does not have are empty."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def _line(message: str) -> str:
    """What is wrong with the line of a refusal, if anything."""
    if not message.isprintable():
        return "a refusal that is not one printable line"
    return "" if "allowed: " in message else "a refusal that does not say what is allowed"


def _origin(told: str) -> str:
    """The last line of this project in a traceback."""
    found = _ORIGIN.findall(told)
    return f"{found[-1][0]}:{found[-1][1]}" if found else "the harness"


def _memory() -> int:
    """The most that this process has had so far, kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
