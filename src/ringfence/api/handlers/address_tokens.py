"""Personal data in addresses: a token takes its place before anybody reads or records the request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from ringfence.access.kept_queries import kept_entities, kept_id
from ringfence.features.kinds import ENTITY_KEYS

if TYPE_CHECKING:
    from ringfence.events.privacy.personal import PersonalData

_KINDS: Final = "|".join(ENTITY_KEYS)
_PATH: Final = re.compile(
    rf"((?:/v1)?/(?:entities|places|graph(?:-neighbours|/ring|/neighbours)?)/({_KINDS})/)([\s\S]+)"
)


class KeptAddresses:
    """Before an application: ids in paths and queries as the log has them."""

    def __init__(self, app: Any, personal: PersonalData) -> None:
        self._app = app
        self._personal = personal

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found = _PATH.fullmatch(scope["path"])
            if found is not None:
                scope["path"] = found[1] + kept_id(self._personal, found[2], found[3])
                scope["raw_path"] = quote(scope["path"]).encode()
            if b"entity" in unquote_to_bytes(scope["query_string"]):
                scope["query_string"] = self._query(scope["query_string"].decode("latin-1")).encode()
        await self._app(scope, receive, send)

    def _query(self, text: str) -> str:
        return urlencode(kept_entities(self._personal, parse_qsl(text, keep_blank_values=True)))
