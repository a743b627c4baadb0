"""What a host does with what it is sent, without ssh."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from trionet_nni.nnictl.hosts import receive

_SOURCE = Path(receive.__file__).read_text()
_FILES = {"code/a.py": b"print()", "code/again.py": b"print()", "supernet/w": bytes(range(256)) * 9000}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def send(home: Path, parts: Sequence[bytes]) -> subprocess.CompletedProcess[bytes]:
    """Send an order of `_FILES`, and then these bytes."""
    files = {name: [digest(content), len(content)] for name, content in _FILES.items()}
    order = {"experiment": "e1", "files": files, "texts": {"code.txt": "FOLDER/code\n"}}
    return subprocess.run(
        [sys.executable, "-c", _SOURCE],
        input=json.dumps(order).encode() + b"\n" + b"".join(parts),
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
    )


def answers(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def store(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "nni-experiments/trionet/store").iterdir())


def test_each_content_comes_once(tmp_path: Path) -> None:
    code, weights = _FILES["code/a.py"], _FILES["supernet/w"]
    asked, done = answers(send(tmp_path, [code, weights]))
    assert asked == {"lacks": [digest(code), digest(weights)]}
    assert done["received"] == len(code) + len(weights)
    folder = tmp_path / "nni-experiments/e1/trionet"
    assert {name: (folder / name).read_bytes() for name in _FILES} == _FILES
    assert (folder / "code.txt").read_text() == f"{folder}/code\n" and (folder / "ready").exists()
    assert (folder / "python.txt").read_text() == sys.executable
    assert answers(send(tmp_path, [])) == [{"lacks": []}, {"folder": str(folder), "received": 0}]


def test_what_was_damaged_comes_again(tmp_path: Path) -> None:
    code, weights = _FILES["code/a.py"], _FILES["supernet/w"]
    send(tmp_path, [code, weights])
    kept = tmp_path / "nni-experiments/trionet/store" / digest(weights)
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    asked, _ = answers(send(tmp_path, [weights]))
    assert asked == {"lacks": [digest(weights)]}
    assert (tmp_path / "nni-experiments/e1/trionet/supernet/w").read_bytes() == weights


def test_what_arrives_damaged_or_half_is_not_there(tmp_path: Path) -> None:
    code, weights = _FILES["code/a.py"], _FILES["supernet/w"]
    done = send(tmp_path, [code, b"?" * len(weights)])
    assert (
        done.returncode == 1 and b"which was sent as" in done.stderr and store(tmp_path) == [digest(code)]
    )
    done = send(tmp_path, [weights[:1000]])
    assert done.returncode == 1 and b"in the middle of a file" in done.stderr
    assert store(tmp_path) == [digest(code)]
    assert not (tmp_path / "nni-experiments/e1/trionet/ready").exists()
