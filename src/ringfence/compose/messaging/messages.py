"""Puts together what carries messages: outbox and courier, in a process of their own."""

from __future__ import annotations

import sys
import time
from contextlib import closing, contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from ringfence.adapters.outbox import Courier, OutboxFollower, Watch
from ringfence.adapters.sqlite.lock import WriterLock
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.compose.clock import now_ms
from ringfence.compose.folder import companions
from ringfence.compose.folder.bus import open_bus
from ringfence.compose.folder.privacy import contacts_of
from ringfence.compose.folder.store import news_of, open_store
from ringfence.compose.messaging.alerts import alert_policy, alert_words, rules_by_digest
from ringfence.compose.messaging.notifiers import notifiers
from ringfence.compose.tracing import tracing_of
from ringfence.follow import Pump, declare
from ringfence.follow.supervised_process import Beside
from ringfence.ports.tracing import untraced
from ringfence.settings import load_settings
from ringfence.store import BUS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ringfence.follow import Roll
    from ringfence.store import DataFolder

LOCK_NAME: Final = "messages.lock"
_REFUSAL: Final = "process {holder} delivers the messages of {folder} already: let it, or end it"


def outbox_of(
    store: DataFolder, made: Callable[[Collection[str]], None] = lambda _addresses: None
) -> OutboxFollower:
    """The outbox of this log, with the alert policy as it is now; `made` is called at new messages."""
    return OutboxFollower(
        store.log,
        store.folder,
        store.meta.store_id,
        now_ms,
        alert_policy(),
        rules_by_digest(store),
        made,
        partial(companions.check_not_lost, store.folder, BUS),
    )


@contextmanager
def locked(folder: Path, name: str, refusal: str) -> Iterator[None]:
    """Hold a lock of a data folder; `InUseError`, with `refusal`, where another process does."""
    lock = WriterLock(folder / name, refusal)
    try:
        yield
    finally:
        lock.release()


def delivery(folder: Path) -> AbstractContextManager[None]:
    """The lock of who makes and delivers messages; `InUseError` as of `locked`."""
    return locked(folder, LOCK_NAME, _REFUSAL)


def messages_beside(folder: Path, heard: Callable[[str], None], roll: Roll) -> Beside:
    """The process that makes and delivers messages. It ends with this one; `heard` as of `Beside`.

    Each time that it ends by itself is a failure of the outbox in the roll, which the server reads.
    """
    asked = ("follow", "--data", str(folder.absolute()), "--beside", "--messages")
    return Beside(
        [sys.executable, "-P", "-m", "ringfence.cli", *asked],
        "process of the messages",
        lambda: None,
        time.monotonic,
        Random(),  # noqa: S311 (spreads attempts)
        heard,
        lambda problem: roll.report_failure(OutboxFollower.name, problem, now_ms()),
    )


@contextmanager
def delivering(folder: Path) -> Iterator[None]:
    """Messages of a data folder are made and delivered until the block is left; errors as of `following`."""
    with (
        open_store(folder, read_only=True) as store,
        delivery(folder),
        closing(SqliteRoll(folder)) as roll,
        tracing_of("ringfence-messages") as tracing,
        news_of(store) as news,
    ):
        companions.check_not_lost(folder, BUS)
        policy, bus, settings = alert_policy(), open_bus(folder), load_settings()
        contact, vault = contacts_of(store)
        courier = Courier(
            bus,
            notifiers(settings),
            now_ms,
            Random(),  # noqa: S311 (spreads attempts)
            alert_words(policy, store.meta.token_key, has_buttons=settings.slack_signing_secret is not None),
            Watch(bus, policy, store.meta.store_id).look,
            contact,
        )
        outbox = outbox_of(store, courier.wake)
        declare(store.log, roll, [outbox])
        taking = untraced if tracing is None else tracing.take
        pump = Pump(store.log, roll, [outbox], now_ms, Random(), taking=taking, news=news)  # noqa: S311
        at_work: list[Pump | Courier] = [pump, courier]
        for one in at_work:
            one.start()
        try:
            yield
        finally:
            for one in at_work:
                one.stop()
            if vault is not None:
                vault.close()
