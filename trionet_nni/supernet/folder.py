"""What a supernet's folder holds, and when it is complete. Standard library only."""

from __future__ import annotations

from pathlib import Path

from trionet_nni.files.text import parse_json

WEIGHTS = "supernet.safetensors"
COMPLETE = "complete.json"  # written last: {"hash", …}
CURVE = "curve.jsonl"  # one point of the training curves a line


def is_complete(directory: Path, supernet_hash: str) -> bool:
    """Whether the supernet of this hash was trained to its end, and its weights are there."""
    try:
        complete = parse_json((directory / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    right = isinstance(complete, dict) and complete.get("hash") == supernet_hash
    return right and (directory / WEIGHTS).is_file()
