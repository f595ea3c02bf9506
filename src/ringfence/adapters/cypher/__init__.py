"""Stores that answer openCypher: ladybug in this process, Amazon Neptune over HTTP."""

from __future__ import annotations

from ringfence.adapters.cypher.embedded import EmbeddedGraph
from ringfence.adapters.cypher.neptune import NeptuneGraph

__all__ = ["EmbeddedGraph", "NeptuneGraph"]
