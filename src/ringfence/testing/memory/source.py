"""A stream in memory: the first to sit the exam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.ports import Position
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.events.privacy.tokens import Tokenizer

_PART: Final = "0"


class MemorySource:
    """`ringfence.ports.sources.StreamSource` over a list of JSON values, which somebody else may add to."""

    name = "memory"
    problem = ""
    behind_ms = 0  # it counts records
    parts = 1
    moves = 0

    def __init__(
        self,
        values: list[bytes],
        positions: Callable[[str], dict[str, str]],
        tokenizer: Tokenizer,
        now_ms: int,
    ) -> None:
        """`positions` as of `Journal.positions`."""
        self.is_open = False
        self._values, self._positions, self._now_ms = values, positions, now_ms
        self._decoder = BlockDecoder(tokenizer)
        self._next = 0

    @property
    def lag(self) -> int:
        """See `StreamSource.lag`."""
        return len(self._values) - self._next

    def open(self) -> None:
        """See `StreamSource.open`."""
        self._next = int(self._positions(self.name).get(_PART, "0"))
        self.is_open = True

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.0, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """See `StreamSource.batches`; it waits for nobody."""
        del wait_seconds
        while not is_over():
            taken = self._values[self._next : self._next + rows]
            if not taken and until_end:
                return
            decode, first = self._decoder.decode, self._next + 1
            events, bad = (
                decode(b"\n".join(taken), self._now_ms, self.name, first) if taken else (NO_EVENTS, [])
            )
            self._next += len(taken)
            position = Position(self.name, _PART, str(self._next))
            yield StreamBatch(events, None, bad, (position,), self._next, len(self._values))

    def close(self) -> None:
        """See `StreamSource.close`."""
        self.is_open = False
