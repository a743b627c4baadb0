"""The stand-alone subspace of axial attention inside `spaces.small`."""

from spaces import small
from spaces.declare import declares

TABLE = small.TABLE.only("axial")
build = declares(TABLE)
