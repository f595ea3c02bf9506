"""JSON Web Tokens: signed by a shared secret (HS256) or by keys of a JWKS (RS256, ES256)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt

from ringfence.access.principal import Principal, Role
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_SECRET: Final = 32
"""Bytes of an HS256 secret at least: a shorter one can be guessed from one token."""

_KEY_TYPE: Final = {"RS256": "RSA", "ES256": "EC"}
_REFRESH_SECONDS: Final = 30.0  # an unknown key id asks for the set again, this often at most
_LONGEST_TOKEN: Final = 8192


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Whose tokens count. At least one of `secret` and `jwks` (a file or an https URL) makes sense."""

    secret: str | None = None
    jwks: str | None = None
    issuer: str | None = None
    audience: str | None = None
    rate: float = 0.0  # limit of each subject, 0 without
    burst: float = 0.0


class Tokens:
    """Recognises callers by their tokens: claims `sub`, `exp`, and `roles` (a list, or `scope` as text)."""

    def __init__(self, settings: TokenSettings, now: Callable[[], float] = time.monotonic) -> None:
        if settings.secret is not None and len(settings.secret.encode()) < SHORTEST_SECRET:
            raise InputError(f"the secret of tokens needs at least {SHORTEST_SECRET} random bytes")
        self._settings = settings
        self._now = now
        self._lock = Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = -_REFRESH_SECONDS
        if settings.jwks is not None:
            self._refresh()

    def recognise(self, token: str) -> tuple[Principal, float] | None:
        """Who a token speaks for, and until when (seconds since 1970); None where it proves nothing.

        May read the key set again, so it may take a second.
        """
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            claims = self._claims(token)
            return self._principal(claims), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError):
            return None

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm = str(header.get("alg"))
        key = self._key(algorithm, header.get("kid"))
        if key is None:
            raise jwt.InvalidKeyError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            options={"require": ["exp", "sub"], "verify_aud": self._settings.audience is not None},
            leeway=5,
        )
        return claims

    def _key(self, algorithm: str, key_id: str | None) -> Any:
        """The key that this algorithm may use: never a public key as a shared secret."""
        if algorithm == "HS256":
            return self._settings.secret
        if algorithm not in _KEY_TYPE or self._settings.jwks is None:
            return None
        if key_id not in self._keys:
            self._refresh()
        found = self._keys.get(key_id)
        return found if found is not None and found.key_type == _KEY_TYPE[algorithm] else None

    def _principal(self, claims: dict[str, Any]) -> Principal:
        words = claims.get("roles", str(claims.get("scope", "")).split())
        known = {role.value: role for role in Role}
        roles = frozenset(known[word] for word in words if word in known)
        return Principal(f"sub:{claims['sub']}", roles, self._settings.rate, self._settings.burst)

    def _refresh(self) -> None:
        """Read the key set, unless that was just done; a set that cannot be read leaves the old one."""
        with self._lock:
            if self._now() - self._read_at < _REFRESH_SECONDS:
                return
            first, self._read_at = not self._keys, self._now()
            try:
                self._keys = _parse(_read(str(self._settings.jwks)))
            except (OSError, httpx.HTTPError, ValueError, TypeError, jwt.PyJWTError) as error:
                if first:
                    raise InputError(
                        f"the key set {self._settings.jwks} cannot be used ({error}): "
                        "give a JWKS file or an https URL of one"
                    ) from error


def _read(where: str) -> str:
    if where.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return httpx.get(where, timeout=5.0, follow_redirects=False).raise_for_status().text
    return Path(where).read_text("utf-8")


def _parse(text: str) -> dict[str | None, jwt.PyJWK]:
    keys = {}
    for entry in json.loads(text)["keys"]:
        if entry.get("kty") in _KEY_TYPE.values() and entry.get("use", "sig") == "sig":
            keys[entry.get("kid")] = jwt.PyJWK(entry)
    if not keys:
        raise ValueError("it holds no RSA or EC key for signatures")
    return keys
