"""Panoptic-DeepLab (Cheng et al., CVPR 2020) on any backbone of four stages."""
