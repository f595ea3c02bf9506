"""The stage that knows payments by their ids: which come twice, and whose payment a label is about.

It is keyed by the hash of the transaction's id. What it keeps is the parts of chunks as they came, each as
long as an id in it is known again or a label in it waits for its payment.

The latest label of an id is the one that counts, but only the order knows whether it is refused, because its
own id came before. So the few latest wait: none that says again what waits already, and none before one that
has no id of its own and is never refused.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.events.ids.seen import SeenIds
from ringfence.features.early_labels import MOST
from ringfence.sharded.merging import ClockMerge, NextRows
from ringfence.sharded.wire import Element, pack, unpack

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from numpy.typing import NDArray

    from ringfence.sharded.plan import ShardedPlan

_CURSOR: Final = b"c"
_PART: Final = struct.Struct("<cqq")
_FIRST_ROOM: Final = 1024
_AT_ONCE: Final = 4096
_OF_ONE_ID: Final = 8  # labels that wait for the same payment; of more, the first are forgotten
_EARLY, _KNOWN, _IDLE = 0, 1, 2  # a label waits for its payment, has it, or can make no difference
_PAYMENT: Final = 0  # codes of rows; 1 and 2 are labels, no fraud and fraud
_CLOCK, _CONTENT, _TIME, _KEYS = 0, 1, 2, 3  # words of a known payment; one for each labelled entity behind


class _Label(NamedTuple):
    """A label that waits: where it stands, what it says."""

    chunk: tuple[int, int]
    row: int
    fraud: int
    clock: int
    own: int  # the hash of its own id, 0 without one


class _Part:
    """What is known of one chunk here, until it is told."""

    def __init__(self, total: int, columns: list[NDArray[Any]]) -> None:
        self.left = total
        self.columns = columns
        self.twice: list[int] = []
        self.other: list[int] = []
        self.labels: list[tuple[int, int, int, int, int]] = []  # row, code, payment's time, id, fraud
        self.label_keys: list[NDArray[np.int64]] = []
        self.early: list[tuple[int, int, int, int, int]] = []  # payment's row, the label's place, fraud


class Ids:
    """One shard of the ids."""

    def __init__(self, plan: ShardedPlan, shard: int, state: MutableMapping[bytes, bytes]) -> None:
        self._plan = plan
        self._shard = shard
        self._state = state
        self._slots = len(plan.labelled)
        self._merge = ClockMerge(len(plan.partitions))
        self._seen = SeenIds()
        self._first = self._end = 0  # numbers of the payments known
        self._known = np.empty((_FIRST_ROOM, _KEYS + self._slots), np.int64)
        self._hashes = np.empty(_FIRST_ROOM, np.int64)
        self._waiting: OrderedDict[int, list[_Label]] = OrderedDict()  # by payment; the latest label last
        self._labels_waiting = 0
        self._waiting_in: dict[tuple[int, int], int] = {}  # labels that wait, by chunk
        self._open: dict[tuple[int, int], _Part] = {}
        self._kept: list[tuple[int, tuple[int, int]]] = []  # clock behind it and chunk, as they came
        self._restore()

    def _restore(self) -> None:
        if _CURSOR not in self._state:
            return
        clocks = np.frombuffer(self._state[_CURSOR], np.int64)
        kept = sorted(key for key in self._state if key[:1] == b"p")
        parts = [unpack(self._state[key]) for key in kept]
        for (partition, number, end, _), columns in sorted(parts, key=lambda part: part[0][:2]):
            self._add((partition, number), end, columns)
        for partition, clock in enumerate(clocks.tolist()):
            self._merge.add((partition, -1), np.empty(0, np.int64), clock)
        self._release()

    def take(self, data: bytes) -> list[Element]:
        """A part of a chunk: rows and, of each, clock, id, content (a label's own id), time, code, keys."""
        (partition, number, end, total), columns = unpack(data)
        chunk = (partition, number)
        if columns:
            self._state[_PART.pack(b"p", *chunk)] = data
            self._add(chunk, end, columns)
        else:
            self._merge.add(chunk, np.empty(0, np.int64), end)
        self._state[_CURSOR] = np.array(self._merge.clocks, np.int64).tobytes()
        out = [self._told(one, part) for one, part in self._release()]
        if total and not columns:
            out.append(self._told(chunk, _Part(0, [])))
        self._expire()
        return out

    def _add(self, chunk: tuple[int, int], end: int, columns: list[NDArray[Any]]) -> None:
        self._merge.add(chunk, columns[1], end)
        self._open[chunk] = _Part(len(columns[0]), columns)
        self._kept.append((end, chunk))

    def _release(self) -> list[tuple[tuple[int, int], _Part]]:
        """Take in what comes next; the chunks of which all is known now."""
        released = self._merge.release()
        if released is None:
            return []
        owners = {piece.chunk: self._open[piece.chunk] for piece in released.pieces}
        self._admit(released, owners)
        done = []
        for piece in released.pieces:
            part = owners[piece.chunk]
            part.left -= piece.end - piece.begin
            if not part.left:
                done.append((piece.chunk, self._open.pop(piece.chunk)))
        return done

    def _admit(self, released: NextRows, owners: dict[tuple[int, int], _Part]) -> None:
        columns = [
            released.merged({chunk: part.columns[number] for chunk, part in owners.items()})
            for number in range(len(next(iter(owners.values())).columns))
        ]
        rows, clocks, ids, contents, times, codes, *keys = columns
        paid = np.flatnonzero(codes == _PAYMENT)
        words = np.stack([clocks, contents, times, *keys], axis=1)
        found = self._entered(ids[paid], self._end)
        known = np.flatnonzero(found >= 0)
        if not len(known) and len(paid) == len(codes) and not self._waiting:
            self._enter(ids, words)
            return
        fresh = paid[found < 0]
        self._enter(ids[fresh], words[fresh])
        chunks, parts = list(owners), list(owners.values())
        number_of = released.merged(
            {
                chunk: np.full(len(part.columns[0]), number)
                for number, (chunk, part) in enumerate(owners.items())
            }
        )
        for at, number in zip(paid[known].tolist(), found[known].tolist(), strict=True):
            self._again(parts[number_of[at]], int(rows[at]), number - self._first, words[at])
        place_of = dict(zip(ids[fresh].tolist(), fresh.tolist(), strict=True))
        for at in np.flatnonzero(codes != _PAYMENT).tolist():
            fraud, place = int(codes[at]) - 1, chunks[number_of[at]]
            label = _Label(place, int(rows[at]), fraud, int(clocks[at]), int(contents[at]))
            self._label(
                parts[number_of[at]], label, int(ids[at]), is_behind=place_of.get(int(ids[at]), -1) < at
            )
        for identity in sorted(self._waiting.keys() & place_of.keys()):
            at = place_of[identity]
            waited = self._waiting.pop(identity)
            for label in self._young(waited, int(clocks[at])):
                parts[number_of[at]].early.append((int(rows[at]), *label.chunk, label.row, label.fraud))
            self._wait_no_more(waited)

    def _entered(self, ids: NDArray[np.int64], base: int) -> NDArray[np.int64]:
        """As `SeenIds.admit`, a little at a time: the table grows well by what a batch brings, not by all."""
        found = np.empty(len(ids), np.int64)
        for begin in range(0, len(ids), _AT_ONCE):
            some = self._seen.admit(ids[begin : begin + _AT_ONCE], base)
            found[begin : begin + _AT_ONCE] = some
            base += int(np.count_nonzero(some < 0))
        return found

    def _again(self, part: _Part, row: int, at: int, words: NDArray[np.int64]) -> None:
        """A payment whose id has come before, unless so long ago that it is forgotten."""
        before = self._known[at]
        if words[_CLOCK] - before[_CLOCK] > self._plan.ids_ms:
            self._known[at] = words
        else:
            (part.twice if before[_CONTENT] == words[_CONTENT] else part.other).append(row)

    def _label(self, part: _Part, label: _Label, identity: int, *, is_behind: bool) -> None:
        """A label: `is_behind` a payment of the same rows, where that is among them."""
        numbers = [number for number in self._seen.offsets_of(identity) if number >= self._first]
        if numbers and is_behind:
            words = self._known[numbers[0] - self._first]
            part.labels.append((label.row, _KNOWN, int(words[_TIME]), identity, label.fraud))
            part.label_keys.append(words[_KEYS:].copy())
            return
        waits = self._wait(identity, label)
        part.labels.append((label.row, _EARLY if waits else _IDLE, 0, identity, label.fraud))
        part.label_keys.append(np.zeros(self._slots, np.int64))

    def _wait(self, identity: int, label: _Label) -> bool:
        """Whether a label waits; some that came before it may do so no more."""
        before = self._waiting.get(identity, [])
        young = self._young(before, label.clock) if label.own else []
        if any(one.own == label.own for one in young):
            return False
        kept = young[1 - _OF_ONE_ID :]
        self._wait_no_more(before[: len(before) - len(kept)])
        self._waiting[identity] = [*kept, label]
        self._waiting.move_to_end(identity)
        self._waiting_in[label.chunk] = self._waiting_in.get(label.chunk, 0) + 1
        self._labels_waiting += 1
        while self._labels_waiting > MOST:
            self._wait_no_more(self._waiting.popitem(last=False)[1])
        return True

    def _young(self, labels: list[_Label], clock: int) -> list[_Label]:
        """Those, the latest, that still wait by then."""
        return [one for one in labels if clock - one.clock < self._plan.ids_ms]

    def _wait_no_more(self, labels: list[_Label]) -> None:
        self._labels_waiting -= len(labels)
        for label in labels:
            left = self._waiting_in[label.chunk] - 1
            if left:
                self._waiting_in[label.chunk] = left
            else:
                del self._waiting_in[label.chunk]

    def _enter(self, ids: NDArray[np.int64], words: NDArray[np.int64]) -> None:
        used, count = self._end - self._first, len(ids)
        if used + count > len(self._known):
            room = max(2 * len(self._known), used + count)
            self._known = np.concatenate(
                [self._known[:used], np.empty((room - used, words.shape[1]), np.int64)]
            )
            self._hashes = np.concatenate([self._hashes[:used], np.empty(room - used, np.int64)])
        self._known[used : used + count] = words
        self._hashes[used : used + count] = ids
        self._end += count

    def _expire(self) -> None:
        """Parts whose ids are too old; the table is made anew once half of it is."""
        limit = self._merge.least - self._plan.ids_ms
        while self._waiting and next(iter(self._waiting.values()))[-1].clock <= limit:
            self._wait_no_more(self._waiting.popitem(last=False)[1])
        if not self._kept or self._kept[0][0] > limit:
            return
        kept = []
        for end, chunk in self._kept:
            if end > limit or chunk in self._waiting_in or chunk in self._open:
                kept.append((end, chunk))
            else:
                del self._state[_PART.pack(b"p", *chunk)]
        self._kept = kept
        used = self._end - self._first
        young = self._known[:used, _CLOCK] > limit
        old = int(np.argmax(young)) if young.any() else used
        if old > _FIRST_ROOM and 2 * old > used:
            self._known, self._hashes = self._known[old:used].copy(), self._hashes[old:used].copy()
            self._first += old
            self._seen = SeenIds()
            self._entered(self._hashes, self._first)

    def _told(self, chunk: tuple[int, int], part: _Part) -> Element:
        labels = np.array(part.labels, np.int64).reshape(-1, 5)
        keys = np.array(part.label_keys, np.int64).reshape(len(labels), self._slots)
        early = np.array(part.early, np.int64).reshape(-1, 5)
        twice, other = (np.array(rows, np.int64) for rows in (part.twice, part.other))
        return Element("order", 0, pack((*chunk, self._shard), twice, other, labels, keys, early))
