"""How a server is set up: options of `ringfence serve`, or the environment as `RINGFENCE_SERVE_<NAME>`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    body_bytes: Annotated[int, Field(ge=1024)] = 1 << 20  # of one event, also once decompressed
    batch_bytes: Annotated[int, Field(ge=1024)] = 64 << 20  # of a batch, also once decompressed
    cors_origins: tuple[str, ...] = ()
    require_keys: bool = False  # ask on loopback too
    access_log: bool = True
    stop_seconds: Annotated[int, Field(ge=0)] = 20
    token_secret: Annotated[str | None, Field(repr=False)] = None
    token_jwks: str | None = None
    token_issuer: str | None = None
    token_audience: str | None = None
    rate: Annotated[float, Field(ge=0)] = 0.0  # limit of each token's subject; keys have their own
