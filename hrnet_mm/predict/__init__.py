"""Prediction on images, folders and videos, by task."""
