"""Named statements of an SQL file."""

from __future__ import annotations

import re


def parse(text: str) -> dict[str, str]:
    r"""Statements by the name that the line `-- name: x` above each gives it, without the last semicolon.

    >>> parse("-- name: one\nSELECT 1;\n\n-- name: two\nSELECT 2;")
    {'one': 'SELECT 1', 'two': 'SELECT 2'}
    """
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    bodies = (body.strip().removesuffix(";") for body in parts[1::2])
    return dict(zip(parts[::2], bodies, strict=True))
