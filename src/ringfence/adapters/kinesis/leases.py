"""Several nodes share the shards of a stream, by leases, and decide each record once over all logs.

    read ──► claim in the table, if the lease is still ours ──► decide, commit with position in the journal

A node claims records before it decides them, and only the lease's holder can claim. So a node that has lost
a lease, and does not know, finds out before it writes. Whoever takes a lease begins behind what is claimed.
What a node has claimed is its own to decide, also after a crash and when somebody else reads the shard by
then: it owes those records, and reads them before it takes the shard again.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.adapters.kinesis.lease_table import Claim, Lease, StreamStart
from ringfence.adapters.kinesis.shards import ShardMark
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ringfence.adapters.kinesis.lease_table import LeaseTable

_AT_ONCE: Final = 8
_MOST_CLAIMS: Final = 100  # of an item, which holds 400 KB; more only while their records are kept
_BEATS: Final = 3  # writes of a lease in the time after which it is taken for abandoned
_Place = tuple[str, str]  # ARN of a stream, name of a shard


class ShardLeases:
    """The leases of one process. One thread at a time.

    Args:
        table: where they are.
        node: identity of the log that this process writes.
        holder: a name of this process that no other has.
        seconds: after which a lease that nobody renews is free.
        monotonic: seconds of a clock that is never set.
    """

    def __init__(
        self, table: LeaseTable, *, node: str, holder: str, seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self.seconds = seconds
        self._table, self._node, self._holder, self._monotonic = table, node, holder, monotonic
        self._held: dict[_Place, Lease] = {}
        self._written: dict[_Place, float] = {}  # when we wrote what we hold
        self._seen: dict[_Place, tuple[int, float]] = {}  # a counter of others, and since when it has stood
        self._lost: set[_Place] = set()  # and nobody has asked yet
        self._alive: set[_Place] = set()  # whose counter has moved while we looked
        self._leases: dict[str, dict[str, Lease]] = {}
        self._starts: dict[str, StreamStart] = {}
        self._own: dict[_Place, ShardMark] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, "ringfence-leases")

    @property
    def pause_seconds(self) -> float:
        """Between two looks at the table."""
        return self.seconds / _BEATS

    def load(self, stream: str, own: Mapping[str, ShardMark], fresh: ShardMark) -> dict[str, ShardMark]:
        """Look at the table: where each shard of a stream goes on.

        `own` are the marks of this node's journal, and `fresh` the one of a shard that nobody has begun. What
        the table says of a stream that was deleted since, and made again, counts for nothing.
        """
        leases = self._table.of(stream)
        self._own = {place: mark for place, mark in self._own.items() if place[0] != stream}
        self._own |= {(stream, name): mark for name, mark in own.items()}
        begun = self._begun(stream, fresh.made_ms)
        now = self._monotonic()
        for name, lease in leases.items():
            place = stream, name
            counter, since = self._seen.get(place, (lease.counter, now))
            if counter != lease.counter:
                self._alive.add(place)
                since = now
            self._seen[place] = lease.counter, since
            if place in self._held and lease.holder != self._holder:
                self._lose(lease)
            if lease.mark.made_ms != fresh.made_ms:
                leases[name] = msgspec.structs.replace(lease, mark=begun.get(name, fresh), claims={})
                self._held.pop(place, None)
        self._leases[stream] = leases
        return {**begun, **{name: lease.mark for name, lease in leases.items()}}

    def begin(self, stream: str, marks: Mapping[str, ShardMark], fresh: ShardMark) -> None:
        """Put down where shards begin, at once for all; somebody else's word goes before ours."""
        if stream not in self._starts:
            self._table.begin(StreamStart(stream, self._node, fresh.made_ms, dict(marks)))
            self._begun(stream, fresh.made_ms)

    def has_begun(self, stream: str) -> bool:
        """Whether it was this node that has put down where shards begin."""
        return stream in self._starts and self._starts[stream].node == self._node

    def owed(self, stream: str) -> dict[str, tuple[ShardMark, str]]:
        """Shards of which this node has claimed what its journal lacks: from where, and to which record."""
        found: dict[str, tuple[ShardMark, str]] = {}
        for name, lease in self._leases[stream].items():
            claim, own = lease.claims.get(self._node), self._own.get((stream, name), ShardMark())
            if claim is None or not claim.until or _has(own, claim.until):
                continue
            is_behind = not own.after or _number(own.after) < _number(claim.start.after)
            found[name] = claim.start if is_behind else own, claim.until
        return found

    def lacks(self, stream: str) -> list[str]:
        """Shards of which the journal lacks even what was in it when their lease was taken."""
        return [
            name
            for name, lease in self._leases[stream].items()
            if (claim := lease.claims.get(self._node)) is not None
            and _number(self._own.get((stream, name), ShardMark()).after) < _number(claim.before)
        ]

    def turn(self, stream: str, names: Iterable[str], fresh: ShardMark, retention_ms: int) -> set[str]:
        """Take what is free of these shards, and one of whoever has two more than we; those that we hold.

        A shard that nobody has begun begins at `fresh`. What this node owes of a shard goes before its lease.
        """
        self.begin(stream, {}, fresh)
        begun = self._starts[stream].marks
        owed, leases = self.owed(stream), self._leases[stream]
        oldest_ms = fresh.seen_ms - retention_ms
        wanted = [name for name in names if name not in owed]
        for name in wanted:
            if (stream, name) not in self._held and self._is_free(stream, name):
                self._take(
                    leases.get(name, Lease(stream, name, begun.get(name, fresh))), fresh.seen_ms, oldest_ms
                )
        held = {name for of, name in self._held if of == stream}
        others = Counter(leases[name].owner for name in wanted if name in leases and name not in held)
        richest = max(others.items(), key=lambda one: (one[1], one[0]), default=("", 0))
        if richest[0] and richest[1] - len(held) > 1:
            name = next(one for one in wanted if one in leases and leases[one].owner == richest[0])
            self._take(leases[name], fresh.seen_ms, oldest_ms)
        return {name for of, name in self._held if of == stream}

    def is_settled(self, stream: str, names: Iterable[str]) -> bool:
        """Whether we, or nodes that have been seen to live, read these shards, and nothing is owed."""
        places = {(stream, name) for name in names}
        return places <= self._held.keys() | self._alive and not self.owed(stream)

    def claim(self, stream: str, marks: Mapping[str, ShardMark]) -> set[str]:
        """Claim shards up to marks; those that somebody else has taken, of which nothing may be written."""
        lost = {
            name
            for name, mark in marks.items()
            if (stream, name) not in self._held and not self.has_claimed(stream, name, mark.after)
        }
        moves = [self._moved(stream, *move) for move in marks.items() if (stream, move[0]) in self._held]
        new = [lease for lease in moves if lease is not None]
        for lease, is_ours in zip(new, list(self._pool.map(self._table.write, new)), strict=True):
            if not self._is_ours(lease, is_ours):
                lost.add(lease.shard)
        return lost

    def has_claimed(self, stream: str, name: str, sequence: str) -> bool:
        """Whether a record is ours to decide, whoever holds the shard by now."""
        lease = self._leases[stream].get(name)
        claim = None if lease is None else lease.claims.get(self._node)
        return claim is not None and bool(sequence) and _number(sequence) <= _number(claim.until)

    def lost(self, stream: str) -> set[str]:
        """Shards that others have taken from us since this was asked last: nothing read of them counts."""
        found = {place for place in self._lost if place[0] == stream}
        self._lost -= found
        return {name for _, name in found}

    def beat(self) -> None:
        """Renew what has not been written for a while; `lost` tells what others have."""
        late = self._monotonic() - self.pause_seconds
        for place in [place for place in self._held if self._written[place] <= late]:
            lease = self._held[place]
            self._write(msgspec.structs.replace(lease, counter=lease.counter + 1))

    def release(self) -> None:
        """Let others have what we hold, at once."""
        for lease in list(self._held.values()):
            self._table.write(msgspec.structs.replace(lease, owner="", holder="", counter=lease.counter + 1))
        self.forget()

    def forget(self) -> None:
        """Hold nothing, whatever the table says."""
        for known in (self._held, self._alive, self._lost, self._seen, self._own, self._starts):
            known.clear()

    def _begun(self, stream: str, made_ms: int) -> dict[str, ShardMark]:
        """Where shards of the stream that was made then begin; nowhere while nobody has said."""
        start = self._starts.pop(stream, None)
        if start is None or start.made_ms != made_ms:
            start = self._table.start(stream)
        if start is None or start.made_ms != made_ms:
            return {}
        self._starts[stream] = start
        return start.marks

    def _is_free(self, stream: str, name: str) -> bool:
        lease = self._leases[stream].get(name)
        if lease is None or lease.owner in ("", self._node):  # of this folder one process runs
            return True
        return self._monotonic() - self._seen[stream, name][1] >= self.seconds

    def _take(self, lease: Lease, now_ms: int, oldest_ms: int) -> None:
        """Take one as it was seen; somebody who was faster has it.

        Of many claims those go that are older than what the stream keeps: their records cannot be read.
        """
        claims = lease.claims
        if len(claims) >= _MOST_CLAIMS:
            claims = {node: one for node, one in claims.items() if one.seen_ms >= oldest_ms}
        own = self._own.get((lease.stream, lease.shard), ShardMark())
        claim = Claim(lease.mark, before=own.after, seen_ms=now_ms)
        self._write(
            msgspec.structs.replace(
                lease,
                owner=self._node,
                holder=self._holder,
                counter=lease.counter + 1,
                claims={**claims, self._node: claim},
            )
        )

    def _moved(self, stream: str, name: str, mark: ShardMark) -> Lease | None:
        """A lease that claims up to a mark; None where that is claimed."""
        lease = self._held[stream, name]
        whole = msgspec.structs.replace(mark, part=0)  # of an aggregate nobody else has the rest
        if whole == lease.mark:
            return None
        claim = msgspec.structs.replace(lease.claims[self._node], until=mark.after, seen_ms=mark.seen_ms)
        claims = {**lease.claims, self._node: claim}
        return msgspec.structs.replace(lease, mark=whole, claims=claims, counter=lease.counter + 1)

    def _write(self, lease: Lease) -> bool:
        return self._is_ours(lease, self._table.write(lease))

    def _is_ours(self, lease: Lease, is_written: bool) -> bool:
        """Remember a lease that is written; find out who has one that is not."""
        place = lease.stream, lease.shard
        if not is_written:
            found = self._table.of(lease.stream).get(lease.shard)
            if found is None:
                self._held.pop(place, None)
                raise StoreError(
                    f"table {self._table.name}: somebody has deleted the lease of shard {lease.shard}. Start "
                    "again; records of it may be decided twice"
                )
            self._lose(found)
            return False
        self._held[place] = self._leases[lease.stream][lease.shard] = lease
        self._written[place] = self._monotonic()
        return True

    def _lose(self, lease: Lease) -> None:
        """Somebody else has it. One who writes as this node has a copy of its folder, and is refused."""
        self._held.pop((lease.stream, lease.shard), None)
        self._lost.add((lease.stream, lease.shard))
        if lease.owner == self._node:
            raise StoreError(
                f"shard {lease.shard} is read by another process with a copy of this data folder: stop one "
                "of them"
            )


def _number(sequence: str) -> int:
    return int(sequence) if sequence else -1


def _has(own: ShardMark, until: str) -> bool:
    """Whether all up to a record is in the journal."""
    return own.is_read or (_number(own.after), not own.part) >= (_number(until), True)
