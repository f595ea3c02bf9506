"""`ringfence trim`: retention."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.followers import bring_up
from ringfence.compose.store import open_snapshots, open_store
from ringfence.compose.tables import trim_tables
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.ports import DECISIONS, DRIFT, EVENTS, FLAG_MATCHES, MODEL_NEWS, EventLog


def trim(
    keep: Annotated[
        str, typer.Option(help="How much to keep, counted back from the newest event: 400d, 48h.")
    ],
    data: options.Data = None,
) -> None:
    """Delete old events and decisions for good.

    Only what every kept snapshot and every declared follower has taken goes (`ringfence followers list`), in
    whole batches, from the analysis tables too, and bad records received longer ago. What is forgotten can
    no longer be replayed or measured by new features; identifiers stay known, so that nothing is decided
    twice.

    Example: ringfence trim --keep 400d
    """
    keep_ms = parse_duration_ms(keep)
    with open_store(options.folder(data)) as store:
        snapshots = open_snapshots(store).offsets()
        if not snapshots:
            raise InputError("there is no snapshot to go on from yet: run some payments first, then trim")
        bring_up(store)
        newest_ms = max((batch.last_time_ms for batch in store.log.read(EVENTS)), default=0)
        limits = {EVENTS: min(snapshots)} | dict.fromkeys((DECISIONS, FLAG_MATCHES, DRIFT, MODEL_NEWS))
        rows = []
        for topic, limit in limits.items():
            before = _older(store.log, topic, newest_ms - keep_ms, limit)
            gone = store.log.trim(topic, before)
            rows.append((topic, gone, store.log.end_offset(topic) - store.log.start_offset(topic)))
        trim_tables(store)
        bad = store.forget_bad_records(time.time_ns() // 1_000_000 - keep_ms)
        rows.append(("quarantine", bad, sum(total for total, _ in store.quarantine.counts().values())))
    screen.show_table(["topic", "forgotten", "kept"], rows, ["forgotten", "kept"])


def _older(log: EventLog, topic: str, time_ms: int, limit: int | None) -> int:
    """Offset up to which all is older than the time and dealt with by every reader; at most `limit`."""
    readers = [offset for _, name, offset in log.readers() if name == topic]
    stop = min([log.end_offset(topic), *readers, *([] if limit is None else [limit])])
    reached = log.start_offset(topic)
    for batch in log.read(topic, reached, stop):
        if batch.last_time_ms >= time_ms or batch.next_offset > stop:
            break
        reached = batch.next_offset
    return reached
