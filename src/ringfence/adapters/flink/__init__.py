"""Apache Flink as a host: its parts, a cluster of this machine, and what one elsewhere is given."""

from __future__ import annotations

from ringfence.adapters.flink.cluster import LocalCluster
from ringfence.adapters.flink.parts import FlinkParts, flink_parts

__all__ = ["FlinkParts", "LocalCluster", "flink_parts"]
