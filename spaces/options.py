"""Table 1 of the paper: what each operator offers in every block."""

from trionet_nni.architecture.table import OperatorChoices

#                     Convolution      Local attention       Axial attention
# Expansion rates     1/8, 1/4         1/4, 1/2              1/4, 1/2
# Kernel size         3, 5, 7          3, 5, 7               -
# Query (key) rates   -                1/2, 1                1/2, 1
# Value rates         -                1/2, 1                1/2, 1
# Number of heads     -                4, 8                  4, 8
# Total choices       6                48                    16

CONV = OperatorChoices(
    "conv",
    (
        ("expansion", (1 / 8, 1 / 4)),
        ("kernel", (3, 5, 7)),
    ),
)
LOCAL = OperatorChoices(
    "local",
    (
        ("expansion", (1 / 4, 1 / 2)),
        ("kernel", (3, 5, 7)),
        ("qk", (1 / 2, 1.0)),
        ("v", (1 / 2, 1.0)),
        ("heads", (4, 8)),
    ),
)
AXIAL = OperatorChoices(
    "axial",
    (
        ("expansion", (1 / 4, 1 / 2)),
        ("qk", (1 / 2, 1.0)),
        ("v", (1 / 2, 1.0)),
        ("heads", (4, 8)),
    ),
)
OPERATORS = (CONV, LOCAL, AXIAL)
