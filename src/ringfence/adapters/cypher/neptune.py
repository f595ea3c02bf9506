"""Amazon Neptune over its data API (`POST /openCypher`), by boto3's `neptunedata`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.aws_refusals import words_of
from ringfence.errors import InputError
from ringfence.graph.cypher import lint

if TYPE_CHECKING:
    from ringfence.features.links import Graph

_OF_THE_QUERY: Final = (
    "BadRequestException",
    "InvalidArgumentException",
    "InvalidParameterException",
    "MalformedQueryException",
    "MissingParameterException",
    "QueryLimitExceededException",
    "QueryTooLargeException",
    "UnsupportedOperationException",
)
"""Codes of errors that another query would not meet."""


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
        """See `PropertyGraph.run`; a query that Neptune does not know is refused before it is sent.

        `StoreError` where the cluster does not answer, or lets nobody in.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 (an extra)

        from ringfence.adapters.aws.clients import explained  # noqa: PLC0415 (likewise)

        lacking = lint(query)
        if lacking:
            raise InputError(f"Neptune does not know {lacking[0]}")
        with explained(f"Neptune at {self._client.meta.endpoint_url}"):
            try:
                answer = self._client.execute_open_cypher_query(
                    openCypherQuery=query, parameters=json.dumps(parameters)
                )
            except ClientError as error:
                told = error.response.get("Error", {})
                if told.get("Code") not in _OF_THE_QUERY:
                    raise
                raise InputError(
                    f"Neptune refuses this query: {told['Code']} ({words_of(str(told.get('Message', '')))})"
                ) from error
        rows: list[dict[str, Any]] = answer["results"]
        return rows
