"""Files as batches of events: CSV, NDJSON and Parquet, plain, gzip or zstd; globs, folders, stdin."""

from ringfence.adapters.files.explaining import Explanation, explain
from ringfence.adapters.files.order import Order, read_ordered
from ringfence.adapters.files.reading import SourceBatch, read, read_original
from ringfence.adapters.files.resume import Reading, reading_of
from ringfence.adapters.files.sniffing import Sniffed, sniff

__all__ = [
    "Explanation",
    "Order",
    "Reading",
    "Sniffed",
    "SourceBatch",
    "explain",
    "read",
    "read_ordered",
    "read_original",
    "reading_of",
    "sniff",
]
