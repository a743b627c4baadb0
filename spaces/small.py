"""A small sibling for images of 28 to 32 pixels: the same blocks, smaller widths and depths."""

from spaces.declare import declares
from spaces.options import OPERATORS
from trionet_nni.architecture.table import SpaceTable

TABLE = SpaceTable("trionet-small", OPERATORS, ((1, 2), (1, 2), (1, 2)))
build = declares(TABLE)
