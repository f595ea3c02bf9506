"""Pieces of the OpenAPI document that each part of the API describes itself with."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

REF: Final = "#/components/schemas/{name}"
ASKED: Final = (401, 403, 429, 503)
"""Refusals that any question may meet."""

CONNECTION: Final = (408, 421, 431)
"""Refusals that any request may meet before its route is looked at."""

BODY: Final = (400, 413, 415, 422)
"""Refusals that any body may meet."""

Contract = dict[tuple[str, str], tuple[dict[str, Any], tuple[int, ...]]]
"""By method and path: answers by status, and the statuses of refusals."""


def schemas_of(types: Iterable[type]) -> dict[str, Any]:
    """JSON Schemas by name, described by docstrings; these are the same whatever Python reads them.

    Before 3.13 a docstring keeps the indentation of its code.
    """
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = cleandoc(schema["description"])
    return schemas


def json_answer(
    name: str, description: str, headers: dict[str, Any] | None = None, example: object = None
) -> dict[str, Any]:
    """An answer in JSON of a named schema."""
    content: dict[str, Any] = {"schema": ref(name)}
    if example is not None:
        content["example"] = example
    response: dict[str, Any] = {"description": description, "content": {"application/json": content}}
    return response | ({"headers": headers} if headers else {})


def text_answer(kind: str, description: str) -> dict[str, Any]:
    """An answer in text of a media type."""
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def json_body(name: str, example: object) -> dict[str, Any]:
    """A body in JSON of a named schema."""
    return {"application/json": {"schema": ref(name), "example": example}}


def ref(name: str) -> dict[str, str]:
    """A named schema.

    >>> ref("Problem")
    {'$ref': '#/components/schemas/Problem'}
    """
    return {"$ref": REF.format(name=name)}
