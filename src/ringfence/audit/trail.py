"""The port of the audit trail: the chain of one data folder, whoever keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.audit.heads import Anchor, Head, SigningKey
    from ringfence.audit.records import Act, Record
    from ringfence.audit.spans import RecordSpan


class Trail(Protocol):
    """A chain of records. Any thread and any process may use it."""

    @property
    def id(self) -> str:
        """Made with the trail, the same ever after."""
        ...

    def write(self, acts: Sequence[Act], now_ms: int) -> Head:
        """Append records, all or none, on stable storage on return; the new head."""
        ...

    def head(self) -> Head:
        """The end of the chain as it is."""
        ...

    def sign(self, key: SigningKey, now_ms: int, head: Head | None = None) -> Anchor:
        """Sign a head, the one as it is unless given, and keep that beside the records."""
        ...

    def newest(self, limit: int, *, actor: str = "", action: str = "", since_ms: int = 0) -> list[Record]:
        """The last so many of `records`, the newest first."""
        ...

    def checkpoints(self) -> dict[int, Anchor]:
        """Signed heads by the number of their record."""
        ...

    def positions(self) -> dict[str, int]:
        """How far spans of the log have come, by topic."""
        ...

    def spans(self) -> list[RecordSpan]:
        """All spans of the log, by topic and offset; the last of each topic may grow."""
        ...

    def last_span(self, topic: str) -> RecordSpan | None:
        """The span of a topic that may grow."""
        ...

    def sealed(self, topic: str) -> RecordSpan | None:
        """The last span of a topic that the chain knows."""
        ...

    def keys(self) -> list[str]:
        """Public halves of the signing keys, as they came."""
        ...

    def put_spans(self, spans: Sequence[RecordSpan]) -> None:
        """Keep new spans, and those that have grown."""
        ...

    def forget_spans(self) -> None:
        """Begin with the spans anew; what the chain says of them stays."""
        ...

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        ...

    def records(
        self, *, actor: str = "", action: str = "", since_ms: int = 0, after: int = 0
    ) -> Iterator[Record]:
        """Records behind number `after` in order; of an actor, of an action or all below it (`list`)."""
        ...
