"""An index of decisions: by entity, rule and reason, by time, outcome and score, in milliseconds."""

from ringfence.adapters.finder.finder import Finder
from ringfence.adapters.finder.writer import IndexFollower

__all__ = ["Finder", "IndexFollower"]
