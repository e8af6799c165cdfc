"""Synthetic people: the dataset that comes with the package.

:func:`hrnet_mm.datasets.synthetic_people.make_synthetic_people` draws it, in COCO format, with
labels for pose estimation, detection, instance segmentation and semantic segmentation.
"""
