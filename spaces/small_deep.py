"""`spaces.small` with all stages deep: six blocks, so that hardly a network has one operator alone."""

from spaces.declare import declares
from spaces.options import OPERATORS
from trionet_nni.architecture.table import SpaceTable

TABLE = SpaceTable("trionet-small", OPERATORS, ((2,), (2,), (2,)))
build = declares(TABLE)
