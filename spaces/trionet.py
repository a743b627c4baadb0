"""The paper's space: Table 1, stages of 2, 3, 6 and 3 blocks (appendix A), 224 × 224 images."""

from spaces.declare import declares
from spaces.options import OPERATORS
from trionet_nni.architecture.table import SpaceTable

TABLE = SpaceTable("trionet", OPERATORS, ((1, 2), (2, 3), (3, 4, 5, 6), (1, 2, 3)))
build = declares(TABLE)
