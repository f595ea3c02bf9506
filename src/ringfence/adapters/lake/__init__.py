"""The analysis side: DuckDB over Parquet files projected from the log, and over the log's tail."""

from ringfence.adapters.lake.annotations import LogAnnotations
from ringfence.adapters.lake.files import LakeFollower, forget
from ringfence.adapters.lake.lake import Lake

__all__ = ["Lake", "LakeFollower", "LogAnnotations", "forget"]
