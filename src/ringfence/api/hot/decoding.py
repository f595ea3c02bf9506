"""The records of many requests, read together: the short way where all are plain, else the exact one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.api.hot.records import Lines
from ringfence.events.bad import BadRecord, Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import JsonDecoder
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.decoding.decode_small import SmallDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.events.privacy.tokens import Tokenizer

_SMALL: Final = 256  # records from which the exact way is the faster one


class Decoding:
    """Turns records into events.

    Bytes of one caller never become part of another's record, and one bad record harms no other.
    """

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self._tokenizer = tokenizer
        self._exact = JsonDecoder(tokenizer)
        self._small = SmallDecoder(tokenizer, seed)

    def __call__(self, lines: Sequence[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
        """Events of the good lines in order, and the bad ones, by position from 0."""
        if len(lines) <= _SMALL:
            events = self._small.decode(lines, now_ms)
            if events is not None:
                return events, []
        try:
            return self._exact.decode_lines(lines, now_ms, "request", 0)
        except Exception:  # noqa: BLE001 (one request must not harm another: each by itself)
            return self._each(lines, now_ms)

    def of_batch(
        self, _spent: Callable[[float], None] | None = None
    ) -> Callable[[Sequence[bytes], int], tuple[EventBatch, list[BadRecord]]]:
        """The same for the many records of one caller, which tend to look alike; on one thread at a time.

        No other process is asked, so that nothing is told of its time.
        """
        blocks = BlockDecoder(self._tokenizer)

        def decode(lines: Sequence[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
            block = lines.block if isinstance(lines, Lines) else b"\n".join(lines)
            if len(lines) <= _SMALL or block.count(b"\n") >= len(lines):
                return self(list(lines), now_ms)
            try:
                return blocks.decode(block, now_ms, "request", 0)
            except Exception:  # noqa: BLE001 (one bad record must not harm another: each by itself)
                return self._each(lines, now_ms)

        return decode

    def one(self, line: bytes, now_ms: int) -> EventBatch | BadRecord:
        """The event in one line, or what is wrong with it."""
        events, bad = self([line], now_ms)
        return bad[0] if bad else events

    def _each(self, lines: Sequence[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
        good: list[EventBatch] = []
        bad: list[BadRecord] = []
        for position, line in enumerate(lines):
            try:
                events, refused = self._exact.decode_lines([line], now_ms, "request", position)
            except Exception:  # noqa: BLE001 (a record that cannot be read, whatever the way in which it cannot)
                fault = Fault(Reason.MALFORMED, "", "cannot be read: nested too deeply, perhaps")
                bad.append(BadRecord("request", position, (fault,), b""))
            else:
                bad += refused
                good += [events] if len(events) else []
        empty = self._exact.decode_lines([], now_ms, "request")[0]
        return EventBatch.concat(good or [empty]), bad
