"""Ringfence's stages as operators of Apache Flink; imported by its workers, in an environment of their own.

What a stage does is in `ringfence.sharded`, which knows nothing of Flink. Here is how elements get from one
to the next, and what keeps a stage's state.
"""
