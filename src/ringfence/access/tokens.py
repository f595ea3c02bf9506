"""JSON Web Tokens: signed by a shared secret (HS256) or by keys of a JWKS (RS256, ES256)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from ringfence.access.jwks import ALGORITHMS, KeySet
from ringfence.access.principal import Principal
from ringfence.access.restriction import claimed
from ringfence.access.roles import Role
from ringfence.errors import InputError, StoreError
from ringfence.ports.secrets import as_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.ports.secrets import SecretValue

SHORTEST_SECRET: Final = 32
"""Bytes of an HS256 secret at least: a shorter one can be guessed from one token."""

_LONGEST_TOKEN: Final = 8192
_REFUSED: Final = (
    *(jwt.PyJWTError, InputError, StoreError, ValueError, TypeError, OverflowError, RecursionError),
)


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Whose tokens count. At least one of `secret` and `jwks` (a file or an https URL) makes sense."""

    secret: str | SecretValue | None = None  # one whose signature is wrong is looked up again at once
    jwks: str | None = None
    issuer: str | None = None
    audience: str | None = None
    rate: float = 0.0  # limit of each subject, 0 without
    burst: float = 0.0


class Tokens:
    """Recognises callers by their tokens: claims `sub`, `exp`, and `roles` (a list, or `scope` as text).

    `restrict` narrows what the caller sees, as `ringfence.access.restriction.claimed` reads it.
    """

    def __init__(self, settings: TokenSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._secret = None if settings.secret is None else as_secret(settings.secret)
        if self._secret is not None and _is_short(self._secret.value()):
            raise InputError(f"the secret of tokens needs at least {SHORTEST_SECRET} random bytes")
        self._settings = settings
        self._keys = None if settings.jwks is None else KeySet(settings.jwks, now)

    @property
    def version(self) -> int:
        """Changes whenever a signing key has come or gone: whoever was recognised before has to be again."""
        found = 0 if self._keys is None else self._keys.version
        return found if self._secret is None else found + self._secret.changes

    def recognise(self, token: str) -> tuple[Principal, float] | None:
        """Who a token speaks for, and until when (seconds since 1970); None where it proves nothing.

        May read the key set again, so it may take a second.
        """
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            claims = self._claims(token)
            return self._principal(claims), float(claims["exp"])
        except _REFUSED:
            return None

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm = str(header.get("alg"))
        if algorithm == "HS256":
            return self._by_secret(token)
        for key in self._candidates(algorithm, header.get("kid")):
            try:
                return self._verified(token, key, algorithm)
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidKeyError

    def _by_secret(self, token: str) -> dict[str, Any]:
        if self._secret is None:
            raise jwt.InvalidKeyError
        secret = self._secret.value()
        try:
            if _is_short(secret):  # somebody has exchanged it for one that can be guessed
                raise jwt.InvalidSignatureError  # noqa: TRY301
            return self._verified(token, secret, "HS256")
        except jwt.InvalidSignatureError:
            renewed = self._secret.renewed(secret)
            if renewed is None or _is_short(renewed):
                raise
            return self._verified(token, renewed, "HS256")

    def _verified(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
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

    def _candidates(self, algorithm: str, key_id: str | None) -> list[Any]:
        """The keys that this algorithm may use: never a public key as a shared secret."""
        if algorithm not in ALGORITHMS or self._keys is None:
            return []
        return list(self._keys.find(algorithm, key_id))

    def _principal(self, claims: dict[str, Any]) -> Principal:
        words = claims.get("roles", str(claims.get("scope", "")).split())
        known = {role.value: role for role in Role}
        roles = frozenset(known[word] for word in words if word in known)
        settings = self._settings
        return Principal(f"sub:{claims['sub']}", roles, settings.rate, settings.burst, claimed(claims))


def _is_short(secret: str) -> bool:
    return len(secret.encode()) < SHORTEST_SECRET
