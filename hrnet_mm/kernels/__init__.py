"""Kernels of our own for CPUs: inference of a fused network, and training.

Compiled on first use with the machine's C++ compiler.
"""
