"""How a server is set up: options of `ringfence serve`, or the environment as `RINGFENCE_SERVE_<NAME>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ringfence.access.oidc import ProviderSettings, roles_of_groups
from ringfence.api.http.connections import ConnectionLimits
from ringfence.compose.secrets import secret
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


class ServeSettings(BaseSettings):
    """Everything that a server can be told."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="RINGFENCE_SERVE_", frozen=True, extra="forbid"
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    deadline_ms: Annotated[int, Field(ge=1, le=60_000)] = 250
    most_waiting: Annotated[int, Field(ge=1)] = 128  # payments asked for one by one, waiting or under way
    queue_ms: Annotated[int, Field(ge=1)] = 12  # under overload only what is answered in that time is let in
    most_batches: Annotated[int, Field(ge=1)] = 4  # batch requests at the same time
    most_streams: Annotated[int, Field(ge=0)] = 100
    stream_seconds: Annotated[float, Field(ge=0)] = 0.0  # how long a stream lives, 0 for ever
    most_connections: Annotated[int, Field(ge=1)] = 4096  # fewer where fewer descriptors are allowed
    most_connections_of_address: Annotated[int, Field(ge=1)] = 1024
    head_bytes: Annotated[int, Field(ge=1024)] = 32 << 10
    head_seconds: Annotated[int, Field(ge=1)] = 10  # for the head, and for the first request of a connection
    idle_seconds: Annotated[int, Field(ge=1)] = 75  # between two requests of a caller who is known
    stalled_seconds: Annotated[int, Field(ge=1)] = 10  # of a body that comes too slowly, or an unread answer
    least_rate: Annotated[int, Field(ge=1)] = 16 << 10  # bytes a second of a body
    body_bytes: Annotated[int, Field(ge=1024)] = 1 << 20  # of one event, also once decompressed
    batch_bytes: Annotated[int, Field(ge=1024)] = 64 << 20  # of a batch, also once decompressed
    public_names: tuple[str, ...] = ()  # in Host, beside those of this machine
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks whose Forwarded is believed
    cors_origins: tuple[str, ...] = ()
    environment: str = ""  # name on the pages, such as staging or production
    require_keys: bool = False  # ask on loopback too
    access_log: bool = True
    emf: bool = False  # figures once a minute on standard output, as CloudWatch Logs takes them
    follow: bool = True  # start the process that runs the followers; not where `ringfence follow` runs apart
    stop_seconds: Annotated[int, Field(ge=0)] = 20
    token_secret: Annotated[str | None, Field(repr=False)] = None
    token_jwks: str | None = None
    token_issuer: str | None = None
    token_audience: str | None = None
    rate: Annotated[float, Field(ge=0)] = 0.0  # limit of each token's subject; keys have their own
    oidc_issuer: str | None = None  # OpenID provider where people sign in, https://login.example
    oidc_client_id: str = ""
    oidc_client_secret: Annotated[str | None, Field(repr=False)] = None  # none for a public client
    oidc_redirect: str = ""  # https://THIS SERVER/sign-in/callback, as browsers reach it
    oidc_scopes: str = "openid profile email"
    oidc_groups_claim: str = "groups"  # realm_access.roles leads into an object
    oidc_roles: tuple[str, ...] = ()  # GROUP=ROLE each
    oidc_minutes: Annotated[int, Field(ge=1, le=1440)] = 60  # after which the provider is asked again

    def provider(self) -> ProviderSettings | None:
        """Where people sign in, None where only keys count; `InputError` where the settings are not whole."""
        if self.oidc_issuer is None:
            return None
        missing = [
            name for name in ("oidc_client_id", "oidc_redirect", "oidc_roles") if not getattr(self, name)
        ]
        if missing or not self.oidc_redirect.endswith("/sign-in/callback"):
            raise InputError(
                f"sign-in at {self.oidc_issuer} needs {', '.join(missing) or 'oidc_redirect'} as well "
                "(RINGFENCE_SERVE_OIDC_...); oidc_redirect ends with /sign-in/callback"
            )
        return ProviderSettings(
            self.oidc_issuer,
            self.oidc_client_id,
            self.oidc_redirect,
            secret(self.oidc_client_secret),
            self.oidc_scopes,
            self.oidc_groups_claim,
            roles_of_groups(self.oidc_roles),
            self.oidc_minutes * 60.0,
        )

    def connection_limits(
        self, most: int | None = None, unlimited: Callable[[str], bool] = lambda _address: False
    ) -> ConnectionLimits:
        """What connections may do; at most so many of them, from some addresses as many as come."""
        return ConnectionLimits(
            most or self.most_connections,
            self.most_connections_of_address,
            unlimited,
            head_bytes=self.head_bytes,
            head_seconds=self.head_seconds,
            idle_seconds=self.idle_seconds,
            stalled_seconds=self.stalled_seconds,
            least_rate=self.least_rate,
        )
