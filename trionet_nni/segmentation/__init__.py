"""Segmentation on any backbone: settings, training, evaluation, prediction (section 4.4)."""
