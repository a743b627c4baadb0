"""For replicas of the paper's experiments on two cores: two stages, the paper's choices in every block."""

from spaces.declare import declares
from spaces.options import OPERATORS
from trionet_nni.architecture.table import SpaceTable

TABLE = SpaceTable("trionet-tiny", OPERATORS, ((1, 2), (1, 2)))
build = declares(TABLE)
