"""Kernels: the feature engine's inner loops, compiled by Numba, readable and runnable as plain Python."""
