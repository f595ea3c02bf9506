"""Amazon Neptune over its data API (`POST /openCypher`), by boto3's `neptunedata`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ringfence.errors import InputError
from ringfence.graph.cypher import lint

if TYPE_CHECKING:
    from ringfence.features.links import Graph


class NeptuneGraph:
    """`ringfence.graph.cypher.PropertyGraph` in a cluster. Labels and types need no declaration there."""

    def __init__(self, client: Any) -> None:
        """`client` is `boto3.client("neptunedata", endpoint_url=...)`, which signs by its own settings."""
        if find_spec("botocore") is None:
            raise InputError("Neptune needs one more library: pip install 'ringfence[aws]'")
        self._client = client

    def declare(self, graph: Graph) -> None:
        """See `PropertyGraph.declare`."""

    def run(self, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """See `PropertyGraph.run`; a query that Neptune does not know is refused before it is sent."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (an extra)

        lacking = lint(query)
        if lacking:
            raise InputError(f"Neptune does not know {lacking[0]}")
        try:
            answer = self._client.execute_open_cypher_query(
                openCypherQuery=query, parameters=json.dumps(parameters)
            )
        except (BotoCoreError, ClientError) as error:
            raise InputError(f"Neptune refuses this query, or cannot be reached: {error}") from error
        rows: list[dict[str, Any]] = answer["results"]
        return rows
