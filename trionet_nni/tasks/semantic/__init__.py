"""Semantic segmentation: DeepLabV3 on any backbone (section 4.4)."""
