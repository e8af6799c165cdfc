"""The inference form of HRNet and its necks, and its translation for other frameworks."""
