"""Functions that read and write files: sources of events in batches of `ports.sources`, tables of results."""

from ringfence.adapters.files import explain, read_ordered, reading_of, sniff
from ringfence.adapters.files.ending import unended_tables
from ringfence.adapters.files.explaining import given
from ringfence.adapters.files.writing import write_parquet

__all__ = ["explain", "given", "read_ordered", "reading_of", "sniff", "unended_tables", "write_parquet"]
