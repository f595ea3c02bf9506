"""The landing zone as a follower: what is due becomes a file for each day, then a manifest: the position.

A portion of the log is written down as a plan before its files, so that whoever goes on after a crash, or at
the same time, writes the same files. A file is created only where its name is free; one that is there
already has to hold the same rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from ringfence.adapters.landing import shapes
from ringfence.adapters.landing.faulty import FAULTY, land_faulty
from ringfence.adapters.landing.shapes import ENDINGS, SCHEMAS, Format, by_day, rows, written
from ringfence.adapters.landing.tending import compact, expire
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from ringfence.adapters.landing.place import Place
    from ringfence.adapters.landing.shapes import Layout
    from ringfence.ports import EventLog, LogBatch, Quarantine

MANIFESTS: Final = "_manifest"
PLANS: Final = "_plan"
OWNER: Final = "_manifest/log.json"
TOPICS: Final = (EVENTS, DECISIONS)
FILE_MB: Final = 128
FILE_SECONDS: Final = 300
_BYTES_A_RECORD: Final = 128  # of a Parquet file, about; size is told from how many records wait
_SPAN: Final = re.compile(r"(\d{20})-(\d{20})")
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000


class Landed(NamedTuple):
    """One file: its name, which offsets it covers, how many rows and bytes it has."""

    name: str
    rows: int
    bytes: int
    sha256: str


class LandingFollower:
    """`ringfence.follow.Follower` that writes events and decisions as files of a lake.

    Args:
        log: the log that is followed.
        place: where files go.
        log_id: identity of the log; a zone of another one is refused.
        fmt: of files.
        layout: `hive` for folders `dt=2026-01-31`, `calendar` for `2026/01/31`.
        file_mb: roughly how large files become before they are written.
        file_seconds: how long a record waits for such a file at most.
        now_ms: the time, for that.
        quarantine: its records land too, whenever events do.
        keep_days: how many days stay, None for all.

    Once an hour, when records land, the small Parquet files of days that are over become one.
    """

    name: Final = "landing"
    topics: Final = TOPICS

    def __init__(
        self,
        log: EventLog,
        place: Place,
        log_id: str,
        now_ms: Callable[[], int],
        *,
        fmt: Format = "parquet",
        layout: Layout = "hive",
        file_mb: int = FILE_MB,
        file_seconds: int = FILE_SECONDS,
        quarantine: Quarantine | None = None,
        keep_days: int | None = None,
    ) -> None:
        self.most = max(1, file_mb * 1_000_000 // _BYTES_A_RECORD)
        self._log = log
        self._place = place
        self._log_id = log_id
        self._now_ms = now_ms
        self._fmt: Format = fmt
        self._layout = layout
        self._wait_ms = file_seconds * 1000
        self._quarantine = quarantine
        self._keep_days = keep_days
        self._tend_ms: int | None = None  # when files are looked after next
        self._due_ms: dict[str, int] = {}  # by topic that has records waiting
        self._ends: dict[str, tuple[int, str]] = {}  # by topic: end, and the manifest that says so
        self._is_ours = False

    @property
    def least(self) -> int:
        """As many records as fill a file; once those of a topic have waited long enough, any."""
        now_ms = self._now_ms()
        for topic in TOPICS:
            begin = max(self._ends.get(topic, (0, ""))[0], self._log.start_offset(topic))
            if self._log.end_offset(topic) > begin:
                self._due_ms.setdefault(topic, now_ms + self._wait_ms)
            else:
                self._due_ms.pop(topic, None)
        return 1 if any(now_ms >= due_ms for due_ms in self._due_ms.values()) else self.most

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        self._check_owner()
        return {topic: self._end(topic) for topic in TOPICS}

    def take(self, topic: str, batches: Iterable[LogBatch]) -> None:
        """See `Follower.take`."""
        begin = max(self.positions()[topic], self._log.start_offset(topic))
        plan = self._planned(topic, begin)
        if plan is None:
            given = list(batches)
            if not given:
                return
            self._claim()
            after = self._plan(topic, begin, given[-1].next_offset)
        else:
            given, after = [], plan
        part = self._up_to(topic, begin, after, given)
        files = [self._write(topic, day, begin, after, of_day) for day, of_day in by_day(rows(topic, part))]
        self._finish(topic, begin, after, files)
        if topic == EVENTS:
            self.land_faulty()
        self._tend()

    def land_faulty(self) -> int:
        """Land what has been quarantined since; how many records."""
        if self._quarantine is None:
            return 0
        return land_faulty(self._quarantine, self._place, self._now_ms())

    def _tend(self) -> None:
        now_ms = self._now_ms()
        if self._tend_ms is None:
            self._tend_ms = now_ms + _HOUR_MS
        if now_ms < self._tend_ms:
            return
        self._tend_ms = now_ms + _HOUR_MS  # also after a failure, which must not hold up what lands
        compact(self._place, _day(now_ms - _HOUR_MS))
        if self._keep_days is not None:
            expire(self._place, _day(now_ms - self._keep_days * _DAY_MS))

    def reset(self) -> None:
        """See `Follower.reset`."""
        for folder in (MANIFESTS, PLANS, FAULTY, *TOPICS):
            self._place.remove(self._place.names(folder))
        self.close()

    def close(self) -> None:
        """See `Follower.close`."""
        self._ends.clear()
        self._is_ours = False

    def _check_owner(self) -> None:
        if self._is_ours:
            return
        told = self._place.read(OWNER)
        if told is None:
            return
        owner = json.loads(told).get("log_id")
        if owner != self._log_id:
            raise StoreError(
                f"{self._place.address} holds files of another log ({owner}): give this one a folder or "
                "prefix of its own, or delete that one"
            )
        self._is_ours = True

    def _claim(self) -> None:
        if not self._is_ours:
            self._place.create(OWNER, json.dumps({"log_id": self._log_id}).encode())
            self._check_owner()

    def _end(self, topic: str) -> int:
        """The end of the manifests that follow on from the first; asked of the place each time."""
        end, last = self._ends.get(topic, (-1, ""))
        for name in self._place.names(f"{MANIFESTS}/{topic}", last):
            span = _SPAN.search(name)
            if span is not None and (end < 0 or int(span[1]) == max(end, self._log.start_offset(topic))):
                end, last = int(span[2]), name
        if end >= 0:
            self._ends[topic] = end, last
        return max(end, 0)

    def _planned(self, topic: str, begin: int) -> int | None:
        told = self._place.read(f"{PLANS}/{topic}/{begin:020d}.json")
        return None if told is None else int(json.loads(told)["after"])

    def _plan(self, topic: str, begin: int, after: int) -> int:
        """Fix where the portion ends: where another process said, if that was first."""
        if self._place.create(f"{PLANS}/{topic}/{begin:020d}.json", json.dumps({"after": after}).encode()):
            return after
        other = self._planned(topic, begin)
        return after if other is None else other

    def _up_to(self, topic: str, begin: int, after: int, given: Sequence[LogBatch]) -> Iterable[LogBatch]:
        """The batches of the portion: as given, or from the log where it was planned to end elsewhere."""
        if given and given[-1].next_offset == after:
            return given
        return self._log.read(topic, begin, after)

    def _write(self, topic: str, day: date, begin: int, after: int, table: pa.Table) -> Landed:
        name = f"{topic}/{folder_of(day, self._layout)}/{begin:020d}-{after:020d}.{ENDINGS[self._fmt]}"
        content = written(table, self._fmt)
        if not self._place.create(name, content):
            there = self._place.read(name)
            if there != content and not self._same_rows(there, table, topic):
                raise StoreError(
                    f"{self._place.address}/{name} is there with other rows: somebody changed it. "
                    "Move it away; it is made again"
                )
            content = there or content
        return Landed(name, len(table), len(content), hashlib.sha256(content).hexdigest())

    def _same_rows(self, there: bytes | None, table: pa.Table, topic: str) -> bool:
        """Whether a file that another version of Arrow wrote says the same."""
        try:
            return there is not None and shapes.read_back(there, self._fmt, topic).equals(table)
        except (pa.ArrowException, ValueError):
            return False

    def _finish(self, topic: str, begin: int, after: int, files: Sequence[Landed]) -> None:
        """Say what has landed: from here on the position is behind it."""
        told: dict[str, Any] = {"topic": topic, "log_id": self._log_id, "first": begin, "after": after}
        told["rows"] = sum(one.rows for one in files)
        told["columns"] = SCHEMAS[topic].names
        told["files"] = [one._asdict() for one in files]
        name = f"{MANIFESTS}/{topic}/{begin:020d}-{after:020d}.json"
        self._place.create(name, json.dumps(told, indent=1).encode())
        self._place.remove([f"{PLANS}/{topic}/{begin:020d}.json"])
        self._due_ms.pop(topic, None)


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def folder_of(day: date, layout: Layout) -> str:
    """The folder of a day.

    >>> from datetime import date
    >>> folder_of(date(2026, 1, 31), "hive"), folder_of(date(2026, 1, 31), "calendar")
    ('dt=2026-01-31', '2026/01/31')
    """
    return f"dt={day:%Y-%m-%d}" if layout == "hive" else f"{day:%Y/%m/%d}"
