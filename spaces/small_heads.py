"""Attention alone, twice as wide and with half the heads of Table 1: what heads share weighs more."""

from spaces.declare import declares
from trionet_nni.architecture.table import OperatorChoices, SpaceTable

_WIDE = (("expansion", (1 / 2, 1.0)),)
_RATES = (("qk", (1 / 2, 1.0)), ("v", (1 / 2, 1.0)), ("heads", (2, 4)))
LOCAL = OperatorChoices("local", (*_WIDE, ("kernel", (3, 5, 7)), *_RATES))
AXIAL = OperatorChoices("axial", (*_WIDE, *_RATES))
TABLE = SpaceTable("trionet-small", (LOCAL, AXIAL), ((2,), (2,), (2,)))
build = declares(TABLE)
