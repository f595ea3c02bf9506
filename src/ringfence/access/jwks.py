"""The keys that sign tokens: a JWKS file or address, read again and again, so that a removed key ends."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt

from ringfence.errors import InputError
from ringfence.fetching import AnswerError, fetch

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC"}
"""What tokens may be signed with, and the type of key that it takes."""

AGE_SECONDS: Final = 120.0
"""A set older than that is read again before one of its keys counts."""

STALE_SECONDS: Final = 3600.0
"""Keys of a set that could not be read again for so long count no more."""

_UNKNOWN_SECONDS: Final = 30.0  # an unknown key id asks for the set again, this often at most
_PATIENCE_SECONDS: Final = 3.0
_MOST_BYTES: Final = 256 << 10
_MOST_KEYS: Final = 100
_UNUSABLE: Final = (
    OSError,  # a timeout is one
    httpx.HTTPError,
    httpx.InvalidURL,
    AnswerError,
    ValueError,
    TypeError,
    RecursionError,
    jwt.PyJWTError,
)


class KeySet:
    """The signing keys of one place; from any thread."""

    def __init__(self, where: str, now: Callable[[], float]) -> None:
        """`InputError` where no key can be read there. `now` is any clock in seconds."""
        self._where = where
        self._url = _url(where)
        self._now = now
        self._lock = Lock()
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self.version = 0
        """Changes whenever the keys do."""

        try:
            self._keys = self._read()
        except _UNUSABLE as error:
            raise InputError(f"the key set {where} cannot be used ({error}): {_REMEDY}") from error
        self._asked_at = self._read_at = now()

    def find(self, algorithm: str, key_id: str | None) -> list[jwt.PyJWK]:
        """The keys of this id that are for this algorithm; may read the set again, so it may take a while."""
        if key_id not in self._keys:
            self._refresh(_UNKNOWN_SECONDS)
        else:
            self._refresh(AGE_SECONDS)
        if self._now() - self._read_at > STALE_SECONDS:
            return []
        return [key for key in self._keys.get(key_id, ()) if key.algorithm_name == algorithm]

    def _refresh(self, age: float) -> None:
        """Read the set again if that was last tried so long ago; where it fails the old one stays."""
        with self._lock:
            if self._now() - self._asked_at < age:
                return
            self._asked_at = self._now()
            try:
                found = self._read()
            except _UNUSABLE:
                return
            self._read_at = self._asked_at
            if _said(found) != _said(self._keys):
                self._keys = found
                self.version += 1

    def _read(self) -> dict[str | None, list[jwt.PyJWK]]:
        if self._url is not None:
            return _parse(fetch(self._url, _MOST_BYTES, _PATIENCE_SECONDS))
        with Path(self._where).open("rb") as file:
            return _parse(file.read(_MOST_BYTES + 1))


_REMEDY: Final = "give a JWKS file or an https URL of one"


def _url(where: str) -> httpx.URL | None:
    """The address, None for a file; `InputError` for one that others could answer in its place."""
    if "://" not in where:
        return None
    try:
        return safe_url(where)
    except InputError as error:
        raise InputError(f"the key set's address: {error}; {_REMEDY}") from None


def safe_url(where: str) -> httpx.URL:
    """An address over https, or on this machine; `InputError` for one that others could answer."""
    try:
        url = httpx.URL(where)
    except (httpx.InvalidURL, TypeError) as error:
        raise InputError(f"this is no address ({error})") from None
    if url.userinfo or not url.host:
        raise InputError("it names a user, or no host")
    if url.scheme != "https" and not (url.scheme == "http" and _is_this_machine(url.host)):
        raise InputError(f"{url.scheme}://{url.host} could be answered by anybody on the way")
    return url


def _is_this_machine(host: str) -> bool:
    """Whether only this machine answers for a host: by what the client connects to, not by how it begins."""
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parse(text: bytes) -> dict[str | None, list[jwt.PyJWK]]:
    """Keys by id. What is no key for signatures is passed over; two of one id are both tried."""
    if len(text) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    entries = json.loads(text)["keys"]
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise ValueError(f"its keys are no list of at most {_MOST_KEYS}")
    keys: dict[str | None, list[jwt.PyJWK]] = {}
    for entry in entries:
        key = _key(entry)
        if key is not None:
            keys.setdefault(key.key_id, []).append(key)
    if not keys:
        raise ValueError("it holds no RSA or EC key for signatures")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid", ""), str):
        return None
    if entry.get("kty") not in ALGORITHMS.values() or entry.get("use", "sig") != "sig":
        return None
    if "verify" not in entry.get("key_ops", ["verify"]):
        return None
    try:
        key = jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if ALGORITHMS.get(key.algorithm_name) == key.key_type else None


def _said(keys: dict[str | None, list[jwt.PyJWK]]) -> Any:
    return {key_id: [key._jwk_data for key in same] for key_id, same in keys.items()}  # noqa: SLF001 (it has no other way to tell)
