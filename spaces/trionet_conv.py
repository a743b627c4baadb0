"""The stand-alone subspace of convolution inside `spaces.trionet`."""

from spaces import trionet
from spaces.declare import declares

TABLE = trionet.TABLE.only("conv")
build = declares(TABLE)
