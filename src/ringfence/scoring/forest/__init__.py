"""A boosted forest as arrays: scored and explained by compiled code, the same for one row as for many."""

from ringfence.scoring.forest.trees import Forest

__all__ = ["Forest"]
