"""What a terminal does: starting experiments, watching them, going on with them."""
