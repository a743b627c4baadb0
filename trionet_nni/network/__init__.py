"""Static networks: stem, residual blocks, classifier."""
