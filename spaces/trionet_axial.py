"""The stand-alone subspace of axial attention inside `spaces.trionet`."""

from spaces import trionet
from spaces.declare import declares

TABLE = trionet.TABLE.only("axial")
build = declares(TABLE)
