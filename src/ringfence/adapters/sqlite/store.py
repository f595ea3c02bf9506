"""A data folder: the log and everything that commits with it, in one file with one writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ringfence.adapters.sqlite.book import RuleBook
from ringfence.adapters.sqlite.log import SqliteLog, write_batches
from ringfence.adapters.sqlite.meta import RESERVED
from ringfence.adapters.sqlite.quarantine import SqliteQuarantine, mark_replayed
from ringfence.adapters.sqlite.registry import SqliteRegistry
from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import CorruptError
from ringfence.store import LOG

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from ringfence.events.bad import BadRecord
    from ringfence.ports import LogBatch, Position, Replayed


class Store:
    """All durable state of one `--data` folder.

    Attributes:
        log: the event log.
        quarantine: bad records, to list and look up.
        registry: versions of specifications, rule sets and mappings by digest.
        meta: identity and secrets of this store.
        remarks: what somebody should know who opens it.
    """

    def __init__(self, folder: Path, log: SqliteLog) -> None:
        self.folder = folder
        self.log = log
        self.meta = log.meta
        self.remarks = log.remarks
        self.quarantine = SqliteQuarantine(log.database)
        self.registry = SqliteRegistry(log.database)

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Self:
        """The store in this folder, made if it is not there; `StoreError` if another process writes to it.

        With `read_only`, a store that some other process may be writing to, and that has to exist.
        """
        log = SqliteLog(folder / LOG, read_only=read_only)
        try:
            return cls(folder, log)
        except BaseException:
            log.close()
            raise

    @property
    def snapshots(self) -> Path:
        """Where snapshots of the state go."""
        return self.folder / "snapshots"

    @property
    def tables(self) -> Path:
        """Where the analysis tables go."""
        return self.folder / "tables"

    @property
    def rule_history(self) -> RuleBook:
        """The rule book's versions."""
        return RuleBook(self.log.database)

    def check_pages(self) -> None:
        """See `DataFolder.check_pages`."""
        broken = self.log.database.fetch("integrity")
        if broken != [("ok",)]:
            raise CorruptError(f"pages of {self.log.database.path} are damaged: {broken[0][0]}")

    def commit(
        self,
        batches: Sequence[LogBatch] = (),
        *,
        bad_records: Sequence[BadRecord] = (),
        replayed: Sequence[Replayed] = (),
        schedule: bytes | None = None,
        positions: Sequence[Position] = (),
        now_ms: int = 0,
    ) -> None:
        """One durable step of the pipeline: all of it or nothing, on stable storage on return.

        Args:
            batches: as in `EventLog.append`, with its errors.
            bad_records: into quarantine, received at `now_ms`; one that is there already is left as it is.
            replayed: quarantined records that were tried again at `now_ms`, and what became of them.
            schedule: what is pending from now on, None to leave it.
            positions: where sources go on after this step.
            now_ms: wall-clock time.
        """
        with self.log.transaction() as connection:
            write_batches(connection, batches)
            self.quarantine.add(connection, bad_records, now_ms)
            mark_replayed(connection, replayed, now_ms)
            if schedule is not None:
                connection.execute(SQL["set_schedule"], {"payload": schedule})
            for position in positions:
                _move(connection, position, now_ms)

    def forget_bad_records(self, before_ms: int) -> int:
        """Drop from quarantine what was received before a time; how many records that were."""
        with self.log.transaction() as connection:
            return self.quarantine.forget(connection, before_ms)

    def schedule(self) -> bytes | None:
        """What the last commit that said so left pending."""
        payload: bytes | None = self.log.database.fetch_value("schedule", {}, None)
        return payload

    def positions(self, source: str) -> dict[str, str]:
        """Where a source goes on, by part."""
        return dict(self.log.database.fetch("source_positions", {"source": source}))

    def remember(self, name: str, value: str) -> None:
        """Keep a word about the store itself under a name, in place of the one before.

        `ValueError` for names of its identity, which is made once.
        """
        if name in RESERVED:
            raise ValueError(f"{name} is part of the store's identity, which never changes")
        with self.log.transaction() as connection:
            connection.execute(SQL["remember"], {"name": name, "value": value.encode()})

    def remembered(self, name: str) -> str | None:
        """What `remember` kept."""
        value: bytes | None = self.log.database.fetch_value("remembered", {"name": name}, None)
        return None if value is None else value.decode()

    def close(self) -> None:
        """Let the next writer in. Closing twice is allowed."""
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _move(connection: sqlite3.Connection, position: Position, now_ms: int) -> None:
    which = {"source": position.source, "part": position.part}
    if position.value is None:
        connection.execute(SQL["forget_position"], which)
    else:
        connection.execute(SQL["set_position"], which | {"value": position.value, "moved_ms": now_ms})
