"""One set of weights for a whole space: cut, shared, trained, measured with."""
