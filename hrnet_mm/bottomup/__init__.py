"""Bottom-up pose: associative embedding and HigherHRNet, as parts of mmpose's models.

Importing this package imports nothing; its modules import mmpose.
"""
