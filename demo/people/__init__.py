"""Synthetic people: the dataset of the demo and of the tests.

:func:`demo.people.synthetic_people.make_synthetic_people` draws it, in COCO format, with
labels for pose estimation, detection, instance segmentation and semantic segmentation.
"""
