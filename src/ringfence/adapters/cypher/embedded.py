"""A property graph in this process (ladybug), in memory: made of the live links when it is asked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError
from ringfence.graph.cypher import rows_of, type_of

if TYPE_CHECKING:
    from ringfence.features.links import Graph

_POOL_BYTES: Final = 512 << 20
_TIMEOUT_MS: Final = 10_000


class EmbeddedGraph:
    """`ringfence.graph.cypher.PropertyGraph`. It ends with the object; nothing is written to disk."""

    def __init__(self, timeout_ms: int = _TIMEOUT_MS) -> None:
        """`InputError` where the library is missing."""
        if find_spec("ladybug") is None:
            raise InputError("openCypher needs one more library: pip install 'ringfence[cypher]'")
        import ladybug  # noqa: PLC0415 (an extra)

        self._database: Any = ladybug.Database(buffer_pool_size=_POOL_BYTES, max_num_threads=1)
        self._connection: Any = ladybug.Connection(self._database, num_threads=1)
        self._connection.set_query_timeout(timeout_ms)

    def declare(self, graph: Graph) -> None:
        """See `PropertyGraph.declare`."""
        for kind in graph.types:
            self.run(f"CREATE NODE TABLE IF NOT EXISTS {kind} (id STRING PRIMARY KEY)", {})
        for link in graph.links:
            columns = "first_ms INT64, last_ms INT64, count INT64, amount DOUBLE"
            ends = f"FROM {link.source} TO {link.target}"
            self.run(f"CREATE REL TABLE IF NOT EXISTS {type_of(link)} ({ends}, {columns})", {})

    def run(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """See `PropertyGraph.run`."""
        try:
            answer = self._connection.execute(query, parameters)
            return rows_of(answer.get_column_names(), answer.get_all())
        except RuntimeError as error:
            said = str(error).removeprefix("Runtime exception: ").splitlines()[0]
            raise InputError(f"the graph refuses this query: {said}") from error

    def close(self) -> None:
        """Release its memory."""
        self._connection.close()
        self._database.close()
