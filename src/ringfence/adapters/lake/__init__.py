"""The analysis side: DuckDB over Parquet files projected from the log, and over the log's tail."""

from ringfence.adapters.lake.asides import Asides
from ringfence.adapters.lake.lake import DecisionQuery, Lake
from ringfence.adapters.lake.tables import forget

__all__ = ["Asides", "DecisionQuery", "Lake", "forget"]
