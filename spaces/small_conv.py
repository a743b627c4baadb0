"""The stand-alone subspace of convolution inside `spaces.small`."""

from spaces import small
from spaces.declare import declares

TABLE = small.TABLE.only("conv")
build = declares(TABLE)
