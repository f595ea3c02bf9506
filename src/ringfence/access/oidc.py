"""Sign-in at an OpenID provider: authorisation code with PKCE, state and nonce; groups become roles.

The discovery document, the code's exchange and the ID token are all the provider says that counts; each is
asked for over https (or on this machine), bounded in bytes and time.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode

import httpx
import jwt

from ringfence.access.jwks import ALGORITHMS, KeySet, safe_url
from ringfence.access.principal import Principal
from ringfence.access.restriction import claimed
from ringfence.access.roles import Role
from ringfence.errors import InputError, StoreError
from ringfence.fetching import AnswerError, fetch
from ringfence.ports.secrets import as_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.ports.secrets import SecretValue

DISCOVERY: Final = "/.well-known/openid-configuration"
BEGUN_SECONDS: Final = 600.0
"""How long somebody may take at the provider."""

FAILED_SECONDS: Final = 5.0
"""How long a provider that could not be asked is not asked again, whoever wants to sign in."""

_KNOWN_SECONDS: Final = 3600.0  # the discovery document is read again after that
_PATIENCE_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256 << 10
_MOST_BEGUN: Final = 10_000
_LEEWAY_SECONDS: Final = 30
_FAILED: Final = (httpx.HTTPError, httpx.InvalidURL, AnswerError, OSError, ValueError, TypeError, KeyError)


class SignInError(Exception):
    """Somebody cannot be signed in; the text says why, and nothing that is secret."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Which provider, who we are to it, and what its groups may do.

    Attributes:
        issuer: its address, as in the `iss` of its tokens.
        redirect: the address of `/sign-in/callback` of this server, as its users see it.
        secret: None for a public client, which PKCE alone proves.
        groups_claim: of the ID token or, where it is not there, of the user info; a dot leads into an object.
            So is `restrict`.
        roles: by group; other groups give nothing.
        seconds: how long a session lives before the provider is asked again.
    """

    issuer: str
    client_id: str
    redirect: str
    secret: str | SecretValue | None = None
    scopes: str = "openid profile email"
    groups_claim: str = "groups"
    roles: tuple[tuple[str, Role], ...] = ()
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who came back from the provider, and what people call them."""

    caller: Principal
    person: str


@dataclass(frozen=True, slots=True)
class _Begun:
    nonce: str
    verifier: str
    browser: str
    next: str
    at: float


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: httpx.URL
    userinfo: httpx.URL | None
    keys: KeySet
    basic: bool
    at: float


class OpenIdProvider:
    """One provider. `begin` and `finish` may take seconds and may run on any thread."""

    def __init__(self, settings: ProviderSettings, now: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._issuer = safe_url(settings.issuer)
        self._now = now
        self._lock = Lock()
        self._secret = None if settings.secret is None else as_secret(settings.secret)
        self._asking = Lock()  # held while the discovery document is fetched
        self._known: _Endpoints | None = None
        self._problem, self._failed_at = "", float("-inf")
        self._begun: dict[str, _Begun] = {}

    @classmethod
    def of(cls, settings: ProviderSettings | None) -> OpenIdProvider | None:
        """None where none is set up."""
        return None if settings is None else cls(settings)

    def begin(self, browser: str, next_path: str) -> str:
        """Where to send a browser, which has to come back with the same secret; `SignInError`."""
        endpoints = self._endpoints()
        state, begun = secrets.token_urlsafe(24), self._new(browser, next_path)
        with self._lock:
            if len(self._begun) >= _MOST_BEGUN:
                self._begun = dict(list(self._begun.items())[_MOST_BEGUN // 2 :])
            self._begun[state] = begun
        challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        return f"{endpoints.authorization}{joint}{urlencode(query)}"

    def finish(self, state: str, code: str, browser: str) -> tuple[Recognised, str]:
        """Who came back, and where they wanted to go; `SignInError`. A state counts once."""
        with self._lock:
            begun = self._begun.pop(state, None)
        if begun is None or self._now() - begun.at > BEGUN_SECONDS:
            raise SignInError("This sign-in is unknown or took too long: begin it again.")
        if not secrets.compare_digest(begun.browser.encode(), browser.encode()):
            raise SignInError("This sign-in was begun in another browser: begin it again.")
        endpoints = self._endpoints()
        answer = self._exchanged(endpoints, code, begun.verifier)
        claims = self._verified(endpoints, str(answer.get("id_token", "")), begun.nonce)
        return self._recognised(endpoints, claims, str(answer.get("access_token", ""))), begun.next

    def _new(self, browser: str, next_path: str) -> _Begun:
        return _Begun(
            secrets.token_urlsafe(24), secrets.token_urlsafe(48), browser, next_path[:2000], self._now()
        )

    def _endpoints(self) -> _Endpoints:
        """What the provider said of itself; one thread asks, the others wait for what it hears."""
        with self._asking:
            known = self._known
            if known is not None and self._now() - known.at < _KNOWN_SECONDS:
                return known
            if self._now() - self._failed_at < FAILED_SECONDS:
                raise SignInError(self._problem)
            try:
                self._known = self._discovered()
            except SignInError as error:
                self._problem, self._failed_at = str(error), self._now()
                raise
            return self._known

    def _discovered(self) -> _Endpoints:
        issuer = self.settings.issuer
        try:
            told = json.loads(
                fetch(httpx.URL(issuer.rstrip("/") + DISCOVERY), _MOST_BYTES, _PATIENCE_SECONDS)
            )
            if told["issuer"] != issuer:
                raise SignInError("The provider names another issuer than the setting oidc_issuer.")
            methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            safe_url(told["authorization_endpoint"])
            userinfo = told.get("userinfo_endpoint")
            return _Endpoints(
                str(told["authorization_endpoint"]),
                safe_url(told["token_endpoint"]),
                safe_url(userinfo) if userinfo else None,
                KeySet(str(safe_url(told["jwks_uri"])), self._now),
                "client_secret_basic" in methods,
                self._now(),
            )
        except (*_FAILED, InputError) as error:
            raise SignInError("The OpenID provider cannot be asked now. Try again, or use a key.") from error

    def _exchanged(self, endpoints: _Endpoints, code: str, verifier: str) -> dict[str, Any]:
        """The provider's tokens for a code; a secret that is refused is looked up again."""
        if self._secret is None:
            return _asked(self._exchange(endpoints, code, verifier, None))
        try:
            secret = self._secret.value()
        except StoreError as error:
            raise SignInError("The server cannot read its secret for the provider: tell an admin.") from error
        try:
            return _asked(self._exchange(endpoints, code, verifier, secret))
        except SignInError:
            renewed = self._secret.renewed(secret)
            if renewed is None:
                raise
        return _asked(self._exchange(endpoints, code, verifier, renewed))

    def _exchange(self, endpoints: _Endpoints, code: str, verifier: str, secret: str | None) -> httpx.Request:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect,
            "code_verifier": verifier,
        }
        headers = {}
        if secret is not None and endpoints.basic:
            proof = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers = {"authorization": f"Basic {b64encode(proof.encode()).decode()}"}
        else:
            form |= {"client_id": settings.client_id}
            form |= {} if secret is None else {"client_secret": secret}
        return httpx.Request("POST", endpoints.token, data=form, headers=headers)

    def _verified(self, endpoints: _Endpoints, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that is for us, for this sign-in, and in force."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            keys = endpoints.keys.find(algorithm, header.get("kid")) if algorithm in ALGORITHMS else []
            for key in keys:
                try:
                    claims: dict[str, Any] = jwt.decode(
                        token,
                        key,
                        algorithms=[algorithm],
                        audience=self.settings.client_id,
                        issuer=self.settings.issuer,
                        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
                        leeway=_LEEWAY_SECONDS,
                    )
                except jwt.InvalidSignatureError:
                    continue
                if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
                    raise SignInError("The provider's token is not for this sign-in: begin it again.")
                if claims.get("azp", self.settings.client_id) != self.settings.client_id:
                    raise SignInError("The provider's token is for another application.")
                return claims
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise SignInError("The provider's token is not valid: begin it again.") from error
        raise SignInError("The provider's token is signed by a key that it does not publish.")

    def _recognised(self, endpoints: _Endpoints, claims: Mapping[str, Any], access: str) -> Recognised:
        """What the ID token says; what it leaves open, a restriction above all, the user info says."""
        told = _within(claims, self.settings.groups_claim)
        if (told is None or "restrict" not in claims) and endpoints.userinfo is not None:
            headers = {"authorization": f"Bearer {access}"}
            more = _asked(httpx.Request("GET", endpoints.userinfo, headers=headers))
            if more.get("sub") != claims["sub"]:
                raise SignInError("The provider's user info speaks of somebody else: begin it again.")
            told = _within(more, self.settings.groups_claim) if told is None else told
            claims = {**more, **claims}
        if not isinstance(told, str | list | None):
            raise SignInError(
                f"The provider's claim {self.settings.groups_claim} is neither a text nor a list: "
                "tell an admin."
            )
        groups = {told} if isinstance(told, str) else set(filter(_is_text, told or ()))
        roles = frozenset(role for group, role in self.settings.roles if group in groups)
        try:
            restriction = claimed(claims)
        except InputError as error:
            raise SignInError(
                f"The provider restricts you in a way that is not understood: {error}"
            ) from error
        person = next(
            (str(claims[name]) for name in ("preferred_username", "email", "name") if claims.get(name)),
            str(claims["sub"]),
        )
        return Recognised(
            Principal(f"sub:{claims['sub']}"[:200], roles, restriction=restriction), person[:200]
        )


def _asked(request: httpx.Request) -> dict[str, Any]:
    """An answer of the provider in JSON; `SignInError`."""
    try:
        found = json.loads(fetch(request, _MOST_BYTES, _PATIENCE_SECONDS))
    except (*_FAILED, RecursionError) as error:
        raise SignInError("The provider refuses this sign-in, or cannot be asked: begin it again.") from error
    if not isinstance(found, dict):
        raise SignInError("The provider's answer is not understood.")
    return found


def _within(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or through objects: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def roles_of_groups(words: tuple[str, ...]) -> tuple[tuple[str, Role], ...]:
    """`GROUP=ROLE` each; `InputError` names what is none.

    >>> roles_of_groups(("fraud-desk=analyst",))
    (('fraud-desk', <Role.ANALYST: 'analyst'>),)
    """
    found = []
    for word in words:
        group, _, role = word.rpartition("=")
        if not group or role not in set(Role):
            raise InputError(f"oidc_roles: {word[:100]!r} is no GROUP=ROLE; roles are {', '.join(Role)}")
        found.append((group, Role(role)))
    return tuple(found)
