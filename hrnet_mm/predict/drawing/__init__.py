"""Drawing predictions into images, one file a task."""
