"""The demo: a small HRNet learns synthetic people."""
