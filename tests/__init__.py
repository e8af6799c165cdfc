import hrnet_mm  # noqa: F401  (before OpenCV, whose limit it lowers)
