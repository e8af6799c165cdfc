"""Times every HRNet there is side by side: what ``tools/benchmark.py`` does."""
