"""Under which names a server may be asked for, and from whose pages.

A page of anybody can have its own name lead to this machine (*DNS rebinding*): for the browser it then talks
to itself. Where nobody is asked for a key, the name in `Host` and the page in `Origin` are all there is to
tell that from a caller of ours.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from ringfence.api.http.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({b"same-origin", b"none"})
_LINK: Final = b"navigate"  # somebody follows a link, which shows pages and changes nothing
_MOST_REMEMBERED: Final = 64


class HostNames:
    """The names of one server."""

    def __init__(self, public: Iterable[str], origins: Iterable[str], *, is_open: bool) -> None:
        """`public`: names it has beside those of this machine; `origins`: pages that may ask as well."""
        self._public = frozenset(name.lower().rstrip(".") for name in public)
        self._origins = frozenset(origins)
        self._is_open = is_open
        self._checks = is_open or bool(self._public)
        self._known: dict[bytes, bool] = {}

    def check(self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str) -> None:
        """`Refusal`: 421 for another name, 403 for the page of another site on an open server."""
        if not self._checks:
            return
        named = [value for name, value in headers if name == b"host"]
        if len(named) > 1 or not self.allow(named[0] if named else b""):
            raise Refusal(
                421,
                "unknown_host",
                "this server has another name: ask it by the address that it printed, or set "
                "RINGFENCE_SERVE_PUBLIC_NAMES",
            )
        if self._is_open:
            told = dict(headers)
            if method not in _SAFE or path.startswith("/v1/") or told.get(b"sec-fetch-mode", _LINK) != _LINK:
                self._check_origin(told, named[0])

    def allow(self, host: bytes) -> bool:
        """Whether a Host header names this server."""
        if not self._checks:
            return True
        found = self._known.get(host)
        if found is None:
            found = self._allow(host.decode("latin-1").lower())
            if len(self._known) < _MOST_REMEMBERED:
                self._known[host] = found
        return found

    def _allow(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = parts[1].strip("[]").rstrip(".")
        if name == "localhost" or name in self._public:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._is_open  # no page can give an address to its name

    def _check_origin(self, told: dict[bytes, bytes], host: bytes) -> None:
        origin = told.get(b"origin")
        if origin is None:
            foreign = told.get(b"sec-fetch-site", b"none") not in _OWN_SITE
        else:
            own = (b"http://" + host.lower(), b"https://" + host.lower())
            foreign = origin.lower() not in own and origin.decode("latin-1") not in self._origins
            foreign = foreign and "*" not in self._origins
        if foreign:
            raise Refusal(
                403,
                "cross_site",
                "a page of another site may not ask this server: allow it with RINGFENCE_SERVE_CORS_ORIGINS",
            )
