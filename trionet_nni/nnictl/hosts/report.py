"""Runs on a host, by itself: prints as JSON what is installed there. Standard library only."""

import json
import platform
import sys
from importlib import metadata
from pathlib import Path

Path(sys.argv[1]).unlink(missing_ok=True)  # the socket of the connection's trial forwarding
found: dict[str, str | None] = {}
for name in sys.argv[2:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps({"python": platform.python_version(), "home": str(Path.home()), "packages": found}))
