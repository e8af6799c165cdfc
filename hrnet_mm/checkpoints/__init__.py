"""The names that the docs showed before this room became :mod:`hrnet_mm.weights`; they stay."""
