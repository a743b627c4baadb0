"""One operator, one object: its options, widths, cost, weights and layer."""
