"""Personal data in addresses: a token takes its place before anybody reads or records the request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from ringfence.api.handlers.reading import id_in_norm
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from ringfence.events.privacy.personal import PersonalData

_KINDS: Final = "|".join(ENTITY_KEYS)
_PATH: Final = re.compile(
    rf"((?:/v1)?/(?:entities|places|graph(?:-neighbours|/ring|/neighbours)?)/({_KINDS})/)([\s\S]+)"
)
_PAIR: Final = re.compile(rf"({_KINDS}):([\s\S]+)")
_TYPES: Final = ("entity", "entity_type")


class KeptAddresses:
    """Before an application: ids in paths and queries as the log has them."""

    def __init__(self, app: Any, personal: PersonalData) -> None:
        self._app = app
        self._personal = personal

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found = _PATH.fullmatch(scope["path"])
            if found is not None:
                scope["path"] = found[1] + self._kept(found[2], found[3])
                scope["raw_path"] = quote(scope["path"]).encode()
            if b"entity" in scope["query_string"]:
                scope["query_string"] = self._query(scope["query_string"].decode("latin-1")).encode()
        await self._app(scope, receive, send)

    def _query(self, text: str) -> str:
        pairs = parse_qsl(text, keep_blank_values=True)
        kind = next((value for name, value in pairs if name in _TYPES and value in ENTITY_KEYS), "")
        return urlencode([(name, self._value(name, value, kind)) for name, value in pairs])

    def _value(self, name: str, value: str, kind: str) -> str:
        if name == "entity_id" and kind and value:
            return self._kept(kind, value)
        found = _PAIR.fullmatch(value) if name == "entity" else None
        return value if found is None else f"{found[1]}:{self._kept(found[1], found[2])}"

    def _kept(self, kind: str, identity: str) -> str:
        return self._personal.as_kept(ENTITY_KEYS[kind], id_in_norm(kind, identity))
