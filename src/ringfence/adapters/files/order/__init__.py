"""In which order the events of files are decided: by event time, whatever order the files have.

Most exports are in order and are read as they stand. Newest-first and shuffled ones are sorted, on disk
where they do not fit into memory; files that overlap in time are merged.
"""

from ringfence.adapters.files.order.ordered import read_ordered

__all__ = ["read_ordered"]
