"""`python -m trionet_nni`: the command line where the `trionet` script is not on PATH."""

import sys

from trionet_nni.cli import main

sys.exit(main())
