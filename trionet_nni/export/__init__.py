"""Networks as folders that stand on their own: written, loaded, retrained."""
