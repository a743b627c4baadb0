"""Panoptic segmentation: Panoptic-DeepLab on a backbone, COCO's files, crops."""
