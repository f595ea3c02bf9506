"""Opens stores that answer openCypher."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ringfence.adapters.cypher import EmbeddedGraph, NeptuneGraph
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.graph.cypher import PropertyGraph


@contextmanager
def embedded_graph() -> Iterator[PropertyGraph]:
    """An empty one in memory, for the length of a block; `InputError` where its library is missing."""
    store = EmbeddedGraph()
    try:
        yield store
    finally:
        store.close()


def neptune_graph(endpoint: str) -> PropertyGraph:
    """A cluster, by AWS's own settings; `InputError` where boto3 or a region is missing."""
    if find_spec("boto3") is None:
        raise InputError("Neptune needs one more library: pip install 'ringfence[aws]'")
    from ringfence.adapters.aws import aws_client  # noqa: PLC0415 (an extra)

    return NeptuneGraph(aws_client("neptunedata", endpoint))
