"""Ringfence on AWS: constructs, and the stacks of two profiles made of them."""
