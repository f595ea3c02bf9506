"""The kinds of records in a control topic, told apart before they are decoded."""

from __future__ import annotations

import msgspec


def is_of_kind(value: bytes, kind: str) -> bool:
    """Whether a record is a JSON object that names this kind, by its plain letters.

    >>> is_of_kind(b'{"kind": "activation"}', "activation"), is_of_kind(b'["activation"]', "activation")
    (True, False)
    """
    if f'"{kind}"'.encode() not in value:
        return False
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == kind
