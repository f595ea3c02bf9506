"""Reference state: what profiles, list entries and flags have established so far in the log."""

from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA
from ringfence.scoring.reference.state import Lookups, Reference, Segment, segments

__all__ = ["FLAG_MATCH_SCHEMA", "Lookups", "Reference", "Segment", "segments"]
