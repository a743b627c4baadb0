"""`python -m trionet_nni.operators.layers.build_native`: compile the CPU kernels of attention.

The library's name carries a hash of its source, its flags and the processor. A build from other source
or for another processor has another name, so it is never loaded.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

SOURCE = Path(__file__).parent / "native"
# No -ffast-math: the exponential relies on the order of its additions, and NaN must stay NaN.
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-fPIC")

NO_COMPILER = "no C++ compiler"


class BuildError(Exception):
    """The kernel could not be compiled; the message is one line."""


def main() -> int:
    """Build where the library is looked for; 2 with one line on stderr when that fails."""
    try:
        print(build(home()))
    except BuildError as error:
        print(f"build_native: {error}", file=sys.stderr)
        return 2
    return 0


def home() -> Path:
    """Where the library lies: beside its source, or under the user's cache where that is read-only."""
    if os.access(SOURCE, os.W_OK):
        return SOURCE
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "trionet_nni"


@lru_cache(maxsize=1)
def library_name() -> str:
    """File name of the build that belongs to this source on this processor."""
    digest = hashlib.sha256()
    for path in sorted([*SOURCE.glob("*.h"), *SOURCE.glob("*.cpp")]):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(" ".join((*FLAGS, _tuning(), platform.system(), processor())).encode())
    return f"local_attention-{digest.hexdigest()[:16]}.so"


@lru_cache(maxsize=1)
def processor() -> str:
    """What decides which instructions may be used."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return f"{platform.machine()} {line}"
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()}"


def build(folder: Path) -> Path:
    """Compile into `folder` (made if missing); older builds there are left alone.

    The compiler is $CXX, or c++.

    Raises:
        BuildError: no compiler, a folder that cannot be written, or a failed compilation.
    """
    target = folder / library_name()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            made = Path(temporary) / target.name
            sources = map(str, sorted(SOURCE.glob("*.cpp")))
            command = [*compiler(), *FLAGS, _tuning(), "-pthread", "-shared", "-o", str(made), *sources]
            _run(command)
            made.replace(target)
        target.with_suffix(".failed").unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(f"{folder}: cannot be written ({error.strerror})") from None
    return target


def compiler() -> list[str]:
    """The command that compiles: $CXX, or c++."""
    return shlex.split(os.environ.get("CXX", "")) or ["c++"]


def _tuning() -> str:
    """The flag that allows every instruction of this processor."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return "-mcpu=native" if apple else "-march=native"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        message = f"C++ compiler: found none named {command[0]!r}, allowed: g++ or clang++ (set CXX)"
        raise BuildError(message) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        raise BuildError(f"{command[0]} failed with {done.returncode}: {lines[0]}")


if __name__ == "__main__":
    sys.exit(main())
