"""Bottom-up pose: associative embedding and HigherHRNet, as parts of mmpose's models.

Importing this package imports nothing; heads, codec, transforms and multi_scale import mmpose.
"""
