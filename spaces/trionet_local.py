"""The stand-alone subspace of local attention inside `spaces.trionet`."""

from spaces import trionet
from spaces.declare import declares

TABLE = trionet.TABLE.only("local")
build = declares(TABLE)
