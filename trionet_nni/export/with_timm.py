"""Another program's script that makes its models with timm, and can name this project's.

python -m trionet_nni.export.with_timm SCRIPT ARGUMENTS…
"""

from __future__ import annotations

import runpy
import sys

import trionet_nni

if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("with_timm: found no script, allowed: SCRIPT ARGUMENTS…", file=sys.stderr)
        sys.exit(2)
    trionet_nni.register_with_timm()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
