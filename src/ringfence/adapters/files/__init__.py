"""Files as batches of events: CSV, NDJSON and Parquet, plain, gzip or zstd; globs, folders, stdin."""

from ringfence.adapters.files.explaining import explain
from ringfence.adapters.files.order import read_ordered
from ringfence.adapters.files.reading import read, read_original
from ringfence.adapters.files.resume import reading_of
from ringfence.adapters.files.sniffing import sniff

__all__ = [
    "explain",
    "read",
    "read_ordered",
    "read_original",
    "reading_of",
    "sniff",
]
