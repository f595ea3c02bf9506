"""Where a stream goes on that is taken up: where the journal says, or the leases of several nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.kinesis.descriptions import shards_of
from ringfence.adapters.kinesis.shards import ShardMark
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.adapters.kinesis.leases import ShardLeases
    from ringfence.adapters.kinesis.shard_reading import StreamSeen

_HOUR_MS: Final = 3_600_000


class Beginning:
    """Reads marks, and tells what is gone."""

    def __init__(
        self,
        client: Any,
        positions: Callable[[str], dict[str, str]],
        leases: ShardLeases | None,
        options: Mapping[str, str],
        now_ms: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        """Arguments are those of the source; `options` its address's."""
        self._client, self._positions, self._leases = client, positions, leases
        self._options, self._now_ms, self._say = options, now_ms, say

    def of(self, stream: StreamSeen) -> Mapping[str, ShardMark]:
        """Set the marks of a stream; those that are to be written, because it is read for the first time.

        What is gone is refused, or passed over where the address says so.
        """
        marks, own = self.own(stream)
        if marks and not own:
            self.pass_over(made_again(stream.name))
        first: Mapping[str, ShardMark] = {}
        if not marks and self._options.get("from") == "end":
            first = self._from_end(stream)
        if self._leases is not None:
            self._share(self._leases, stream, own, own or first)
            first = {}
        elif any(mark.is_shared for mark in own.values()):
            raise InputError(
                f"several nodes have read stream {stream.name} with leases: add leases=TABLE to the address"
            )
        else:
            stream.marks = own
        now_ms = self._now_ms()
        for name, mark in stream.marks.items():
            away_ms = now_ms - mark.seen_ms
            if not mark.is_read and away_ms > stream.retention_ms:
                self.pass_over(
                    f"{stream.name}/{name} was last read {away_ms // _HOUR_MS} hours ago, and the stream "
                    f"keeps records for {stream.retention_ms // _HOUR_MS}: some may be gone"
                )
        return first

    def own(self, stream: StreamSeen) -> tuple[dict[str, ShardMark], dict[str, ShardMark]]:
        """Marks of the journal, and those of them that are of the stream as it is now."""
        kept = self._positions(stream.source)
        marks = {name: msgspec.json.decode(value, type=ShardMark) for name, value in kept.items()}
        return marks, {name: mark for name, mark in marks.items() if mark.made_ms == stream.made_ms}

    def pass_over(self, said: str) -> None:
        """Go on with a hole, where the address says so; else `InputError`."""
        if self._options.get("on_gap") != "continue":
            raise InputError(f"{said}. Add on_gap=continue to the address to go on, with a hole")
        self._say(f"Warning: {said}. Going on, as on_gap=continue says")

    def _from_end(self, stream: StreamSeen) -> dict[str, ShardMark]:
        now_ms = self._now_ms()
        return {
            shard.name: ShardMark("", 0, stream.now_ms, now_ms, stream.made_ms, shard.is_closed)
            for shard in shards_of(self._client, stream.name)
        }

    def _share(
        self,
        leases: ShardLeases,
        stream: StreamSeen,
        own: Mapping[str, ShardMark],
        first: Mapping[str, ShardMark],
    ) -> None:
        """Set the marks by the leases; what this node owes goes on where its journal says."""
        fresh = ShardMark(seen_ms=self._now_ms(), made_ms=stream.made_ms, is_shared=True)
        is_shared = any(mark.is_shared for mark in own.values())
        if not leases.load(stream.arn, own, fresh) and is_shared:
            self.pass_over(f"the leases of stream {stream.name} are gone, and what others have read of it")
        leases.begin(stream.arn, own or first, fresh)
        if own and not is_shared and not leases.has_begun(stream.arn):
            self.pass_over(
                f"this node has read stream {stream.name} alone, and others have begun to share it without "
                "what it has read: they decide that again"
            )
        stream.marks = leases.load(stream.arn, own, fresh)
        for name in leases.lacks(stream.arn):
            self.pass_over(
                f"{stream.name}/{name}: the journal lacks what this node had read before. It may be a back-up"
            )
        for name, (mark, until) in leases.owed(stream.arn).items():
            stream.marks[name], stream.until[name] = mark, until


def made_again(stream: str) -> str:
    """What is said of a stream that has the name of an earlier one."""
    return f"stream {stream} was deleted and made again since: all it holds is new"
