"""A server's life: bind, serve, and on SIGTERM or Ctrl-C finish what was accepted, commit, snapshot."""

from __future__ import annotations

import gc
import ipaddress
import signal
import sys
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn

from ringfence.access.authoriser import Authoriser
from ringfence.access.jwks import STALE_SECONDS
from ringfence.access.tokens import Tokens, TokenSettings
from ringfence.api.app import build
from ringfence.api.direct import DirectProtocol
from ringfence.api.http.listener import Listener
from ringfence.api.http.sockets import make_room
from ringfence.api.monitoring.emf import EmfWriter
from ringfence.api.server import Server
from ringfence.compose.folder.keys import has_key_file, key_file, open_keys
from ringfence.compose.secrets import secret
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ringfence.api.app import ServedPages
    from ringfence.api.front import Front
    from ringfence.api.hot.decoding_aside import Aside
    from ringfence.api.settings import ServeSettings
    from ringfence.compose.deciding.session import Session
    from ringfence.compose.folder.inquiries import Inquiries
    from ringfence.follow.supervised_process import Beside
    from ringfence.ports.sources import StreamSource
    from ringfence.ports.tracing import Metering, Tracing
    from ringfence.store import DataFolder

_HAD_KEYS: Final = "served_with_keys"
COLLECT_AFTER = (20_000, 20, 100)  # objects of each generation: a full collection stops every thread
SWITCH_SECONDS = 0.0005  # how long one thread may keep the others waiting


def serve(
    session: Session,
    settings: ServeSettings,
    authoriser: Authoriser,
    sockets: Sequence[socket.socket],
    started: Callable[[str], None] = lambda _url: None,
    site: Callable[[Server], ServedPages] | None = None,
    beside: Callable[[Server], Beside] | None = None,
    streams: Sequence[StreamSource] = (),
    aside: Aside | None = None,
    tracing: Tracing | None = None,
    metering: Metering | None = None,
    inquiries: Inquiries | None = None,
) -> None:
    """Serve on these sockets until told to stop. Raises what made the store unusable, if that is why.

    `site` makes the pages that are served beside the API, `beside` what starts the process of the followers.
    `streams` are read beside what comes over HTTP. `aside`, `tracing` and
    `inquiries` as of `Server`; `metering` gets its figures.
    """
    check_keys(session.store, authoriser)
    failures: list[BaseException] = []

    def give_up(error: BaseException) -> None:
        failures.append(error)
        listener.should_exit = True

    fits = make_room(settings.most_connections)
    server = Server(session, settings, authoriser, give_up, fits.connections, aside, tracing, inquiries)
    server.sources.add(streams)
    process = server.following.process = beside(server) if beside else None

    figures = EmfWriter(server.metrics.registry, sys.stdout, server.clock.now_ms) if settings.emf else None

    def ready(url: str) -> None:
        started(url)
        if figures is not None:
            figures.start()
        if metering is not None:
            metering.start(server.metrics.registry)
        if process is not None:
            process.start()

    log = sys.stderr.buffer if settings.access_log else None
    application = build(server, log, site(server) if site else None)
    front: Front = getattr(application, "app", application)  # inside what answers other origins
    config = _config(application, front, settings.stop_seconds, fits.backlog)
    listener = Listener(config, server.connections, ready, server.end_streams)
    try:
        with _surviving_signals(), _short_pauses():
            listener.run_on(sockets)
    finally:
        if figures is not None:
            figures.stop()
        if metering is not None:
            metering.stop()
        if process is not None:
            process.stop()
    if failures:
        raise failures[0]


def _config(application: Any, front: Front, stop_seconds: int, backlog: int) -> uvicorn.Config:
    """Uvicorn with a protocol that takes single payments in on the short way."""
    return uvicorn.Config(
        application,
        http=cast("type[asyncio.Protocol]", partial(DirectProtocol, front)),
        ws="none",
        proxy_headers=False,
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=stop_seconds,
        backlog=backlog,
    )


@contextmanager
def _short_pauses() -> Iterator[None]:
    """No thread waits long for another, or for a collection."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what is there now stays: collections need not look at it again and again
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.unfreeze()  # at the end of the process, what others hold has to be let go


def check_keys(store: DataFolder, authoriser: Authoriser) -> None:
    """A store that was served with keys is not served without by a file that was lost.

    Keys that somebody revoked are still in the file.
    """
    if not authoriser.is_open:
        store.remember(_HAD_KEYS, "yes")
        return
    if store.remembered(_HAD_KEYS) is None:
        return
    with closing(open_keys(store.folder)) as keys:
        known = keys.all()
    if not known:
        raise StoreError(
            f"{key_file(store.folder)} holds no keys, and this store was served with some: everybody "
            "could get in. Put the copy of a backup in its place, or make a key (`ringfence keys create`)"
        )


@contextmanager
def _surviving_signals() -> Iterator[None]:
    """Uvicorn sends itself once more the signal that ended it, but the store has still to be closed."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def authoriser_of(folder: Path, settings: ServeSettings) -> Authoriser:
    """Keys of the data folder and tokens as set; `InputError` where others could get in without either."""
    tokens = None
    if settings.token_secret or settings.token_jwks:
        tokens = Tokens(
            TokenSettings(
                secret(settings.token_secret, STALE_SECONDS),
                settings.token_jwks,
                settings.token_issuer,
                settings.token_audience,
                settings.rate,
                settings.rate,
            )
        )
    has_provider = settings.provider() is not None
    needed = settings.require_keys or has_provider or not is_loopback(settings.host)
    has_keys = _has_keys(folder)
    if needed and not has_keys and tokens is None and not has_provider:
        raise InputError(
            f"{settings.host} can be reached by others, and nothing says who may ask: make a key with "
            "`ringfence keys create`, or set RINGFENCE_SERVE_TOKEN_JWKS"
        )
    if has_keys or needed or tokens is not None:
        return Authoriser(open_keys(folder), tokens)
    return Authoriser()


def _has_keys(folder: Path) -> bool:
    """Whether any key is in force; a folder that is not there stays so."""
    if not has_key_file(folder):
        return False
    with closing(open_keys(folder)) as keys:
        return any(key.revoked_ms is None for key in keys.all())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
