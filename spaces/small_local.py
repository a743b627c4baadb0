"""The stand-alone subspace of local attention inside `spaces.small`."""

from spaces import small
from spaces.declare import declares

TABLE = small.TABLE.only("local")
build = declares(TABLE)
