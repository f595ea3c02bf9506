"""Ids in paths: any text, with slashes and line breaks, as `{name:id}`.

Starlette's own `path` stops at a line break. `.` and `..` have to be written as `%2E` and `%2E%2E`: clients
take them for steps in the path.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.convertors import Convertor, register_url_convertor


class _AnyText(Convertor[str]):
    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("id", _AnyText())
