"""How long each part of a data folder is kept, and what is deleted where its time is over.

Legal holds come first: topics keep everything from the first payment of somebody under hold on, and words,
files and alerts on these people or their payments stay.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.adapters.cases import CasePersons
from ringfence.adapters.outbox import BusPersons
from ringfence.compose.folder.bus import has_outbox, open_bus
from ringfence.compose.folder.cases import has_cases, open_cases
from ringfence.compose.folder.privacy import privacy_desk
from ringfence.compose.folder.store import keeps_tokens, open_snapshots
from ringfence.compose.folder.tables import trim_tables
from ringfence.compose.following.followers import bring_up
from ringfence.desks.person_search import NOBODY
from ringfence.errors import InputError
from ringfence.ports import DECISIONS, DRIFT, EVENTS, FLAG_MATCHES, MODEL_NEWS, SLO_NEWS
from ringfence.settings import is_of_originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ringfence.desks.person_search import PersonTokens
    from ringfence.desks.privacy import PrivacyDesk
    from ringfence.ports import EventLog
    from ringfence.store import DataFolder

TOPICS: Final = (EVENTS, DECISIONS, FLAG_MATCHES, DRIFT, MODEL_NEWS, SLO_NEWS)
"""Topics of the log that retention may shorten."""


class Kept(NamedTuple):
    """What was deleted of a part, or would be, and what is left; None where nobody counted."""

    part: str
    gone: int
    left: int | None
    remark: str = ""


class Retention:
    """The parts of one data folder. With `dry` nothing is deleted, and counts are of what would be.

    `found` has the parts that are done, also where a later one fails.
    Of topics only what followers have taken can go: unless `bring_up` was called on this store before, a dry
    count says the least that would go.
    """

    def __init__(self, store: DataFolder, now_ms: Callable[[], int], *, dry: bool = False) -> None:
        self._store, self._now_ms, self._dry = store, now_ms, dry
        self.found: list[Kept] = []

    def apply(self, keep_ms: Mapping[str, int]) -> list[Kept]:
        """Delete what is older than its part is kept, topics first and originals last.

        `InputError` where topics cannot be shortened yet, and for originals without a vault: nothing is
        deleted then.
        """
        with self._desk() as desk:
            originals = {part: keep for part, keep in keep_ms.items() if is_of_originals(part)}
            if originals and desk is None:
                raise InputError(
                    f"retention.{next(iter(originals))} is about originals, and {self._store.folder} has no "
                    "vault. Nothing was deleted"
                )
            held = desk.search.under_hold() if desk else NOBODY
            topics = {name: keep for name, keep in keep_ms.items() if name in TOPICS}
            if topics:
                self._topics(topics, desk)
            for part, keep in keep_ms.items():
                if part not in TOPICS and part not in originals:
                    self.found.append(self._part(part, self._now_ms() - keep, held))
            if desk and originals:
                if self._dry or not topics:  # else they were noted before topics were shortened
                    desk.search.note_last_events(self._now_ms())
                remarks = desk.unmet(originals)
                gone = desk.outlive(originals, dry=self._dry)
                self.found += [Kept(part, gone[part], None, remarks.get(part, "")) for part in originals]
        return self.found

    def _topics(self, keep_ms: Mapping[str, int], desk: PrivacyDesk | None) -> None:
        held_from_ms = desk.search.earliest_held_ms() if desk else None
        log, snapshots = self._store.log, open_snapshots(self._store).offsets()
        if not snapshots:
            raise InputError("there is no snapshot to go on from yet: run some payments first")
        if not self._dry:
            bring_up(self._store)
            if desk:
                desk.search.note_last_events(self._now_ms())
        newest_ms = max((batch.last_time_ms for batch in log.read(EVENTS)), default=0)
        newest_ms = min(newest_ms, self._now_ms())  # one event of the future must not make all others old
        for topic, keep in keep_ms.items():
            before_ms = newest_ms - keep
            if held_from_ms is not None:
                before_ms = min(before_ms, held_from_ms)
            start, limit = log.start_offset(topic), min(snapshots) if topic == EVENTS else None
            reached = _older(log, topic, before_ms, limit)
            gone = reached - start if self._dry else log.trim(topic, reached)
            self.found.append(Kept(topic, gone, log.end_offset(topic) - start - gone))
        if not self._dry:
            trim_tables(self._store)

    def _part(self, part: str, before_ms: int, held: PersonTokens) -> Kept:
        store, folder = self._store, self._store.folder
        if part == "quarantine":
            total = sum(count for count, _ in store.quarantine.counts().values())
            old = store.quarantine.count_before if self._dry else store.forget_bad_records
            gone = old(before_ms)
            return Kept(part, gone, total - gone)
        if part == "cases":
            if not has_cases(folder):
                return Kept(part, 0, None)
            with closing(open_cases(folder)) as cases:
                return Kept(part, CasePersons(cases).expire(before_ms, held, dry=self._dry), None)
        return Kept(part, self._of_bus(part, before_ms, held) if has_outbox(folder) else 0, None)

    def _of_bus(self, part: str, before_ms: int, held: PersonTokens) -> int:
        with closing(open_bus(self._store.folder)) as bus:
            persons = BusPersons(bus.database, self._store.log)
            if part == "alerts":
                return persons.expire_alerts(before_ms, held, dry=self._dry)
            return persons.expire_messages(before_ms, held, self._cases_of(held), dry=self._dry)

    def _cases_of(self, held: PersonTokens) -> frozenset[str]:
        if not has_cases(self._store.folder):
            return frozenset()
        with closing(open_cases(self._store.folder)) as cases:
            return CasePersons(cases).cases_of(held)

    @contextmanager
    def _desk(self) -> Iterator[PrivacyDesk | None]:
        if not keeps_tokens(self._store):
            yield None
            return
        with privacy_desk(self._store, self._now_ms) as desk:
            yield desk


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
