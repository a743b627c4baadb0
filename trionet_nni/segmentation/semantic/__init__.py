"""Semantic segmentation: DeepLabV3+ on a backbone, Pascal VOC."""
