"""Kernels of our own for CPUs: inference of a fused network, and training.

A wheel for Linux on x86 carries them compiled; elsewhere the machine's C++ compiler compiles them
on first use. What they compute is called native, as in ``NativeConv2d`` and in
``hrnet_mm.deploy.optimize(net, image, backend='native')``.
"""
