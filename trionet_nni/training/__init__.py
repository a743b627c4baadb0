"""Recipes, batches, BN recalibration, evaluation and fitting: what training is put together from."""
