"""A prefix of a bucket as a source: files that are new or have changed, each once, the oldest first.

    list every so often ──► new by name and ETag ──► download ──► rows ──► decode ──► batch with positions

The journal says which version of each object has been read, and how far: it commits with the rows.
"""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.bucket.listing import files_in
from ringfence.adapters.bucket.rows import rows_in
from ringfence.adapters.stream_records import Streamed, json_in
from ringfence.errors import InputError
from ringfence.events.bad import Fault
from ringfence.ports import Position
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.adapters.bucket.address import BucketAddress
    from ringfence.adapters.bucket.listing import BucketFile
    from ringfence.adapters.stream_records import StreamDecoding

TIME: Final = "s3_time"
KEY: Final = "s3_key"
NAMES: Final = {"time": TIME, "key": KEY}
"""What can be kept of a row beside its columns: when its file was written, and the file's name."""

_MOST_BYTES: Final = 4 << 30  # of one object
_PIECE: Final = 1 << 20
_CHANGED: Final = frozenset({"404", "412", "NoSuchKey", "PreconditionFailed"})  # since it was listed


class _Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far an object has been read: its version, and its rows so far, or that it is done."""

    etag: str
    rows: int = 0
    is_done: bool = False


class BucketSource:
    """The objects of one address. One thread at a time, but for what people are told."""

    def __init__(
        self,
        address: BucketAddress,
        client: Any,
        decoding: StreamDecoding,
        positions: Callable[[str], dict[str, str]],
        now_ms: Callable[[], int],
    ) -> None:
        """`client` is boto3's of S3; `positions` as of `Journal.positions`."""
        self.address = address
        self.is_open = False
        self.problem = ""
        self.parts = self.moves = 0
        self._client, self._decoding, self._now_ms = client, decoding, now_ms
        self._positions = positions
        self._marks: dict[str, _Mark] = {}
        self._waiting: list[BucketFile] = []
        self._gone: list[str] = []
        self._looked: float | None = None
        self._rows = 0

    @property
    def name(self) -> str:
        """For people, without options."""
        return self.address.shown

    @property
    def lag(self) -> int:
        """0: nobody knows how many rows a file has that was not read; `behind_ms` tells how old it is."""
        return 0

    @property
    def behind_ms(self) -> int:
        """How long the oldest file waits that has not been read."""
        first = min((one.at for one in list(self._waiting)), default=None)
        return 0 if first is None else max(self._now_ms() - int(first * 1000), 1)

    def open(self) -> None:
        """Look into the bucket; `InputError` where there is none, `StoreError` where AWS refuses."""
        self.problem = ""
        kept = self._positions(self._source)
        self._marks = {key: msgspec.json.decode(value, type=_Mark) for key, value in kept.items()}
        self._look()
        self.is_open = True

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.1, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of at most `rows` rows as files come, an empty one while none does, until `is_over`.

        With `until_end` to the end of the files that are there.
        """
        while not is_over():
            while self._waiting and not is_over():
                yield from self._read(self._waiting[0], rows, is_over)
            if until_end and not self._waiting:
                return
            yield self._batch([], dict.fromkeys(self._gone))
            self._gone = []
            if self._looked is None or time.monotonic() - self._looked >= self.address.every_seconds:
                self._look()
            elif not self._waiting:
                time.sleep(wait_seconds)

    def close(self) -> None:
        """See `StreamSource.close`."""
        self.is_open = False

    @property
    def _source(self) -> str:
        return self.address.shown

    def _look(self) -> None:
        """Which files are new or have changed, the oldest first."""
        found = files_in(self._client, self.address)
        self._looked = time.monotonic()
        self._gone = [key for key in self._marks if key not in found]
        for key in self._gone:
            del self._marks[key]
        self.parts = len(found)
        wanted = [one for one in found.values() if self._is_wanted(one)]
        self._waiting = sorted(wanted, key=lambda one: (one.at, one.key))

    def _is_wanted(self, one: BucketFile) -> bool:
        mark = self._marks.get(one.key)
        return mark is None or mark.etag != one.etag or not mark.is_done

    def _read(self, one: BucketFile, rows: int, is_over: Callable[[], bool]) -> Iterator[StreamBatch]:
        """The rows of an object that have not been read; nothing where it has changed since it was listed."""
        before = self._marks.get(one.key)
        done = before.rows if before is not None and before.etag == one.etag else 0
        with tempfile.TemporaryFile() as file:
            if not self._download(one, file):
                self._look()
                return
            values = islice(enumerate(rows_in(file), 1), done, None)
            while taken := list(islice(values, rows)):
                if is_over():
                    return
                done = taken[-1][0]
                self._marks[one.key] = _Mark(one.etag, done)
                yield self._batch(
                    [self._streamed(one, *row) for row in taken], {one.key: self._marks[one.key]}
                )
        self._marks[one.key] = _Mark(one.etag, done, is_done=True)
        self._waiting.pop(0)
        yield self._batch([], {one.key: self._marks[one.key]})

    def _download(self, one: BucketFile, file: IO[bytes]) -> bool:
        with explained(f"{self.name}: {one.key}"):
            try:
                answer = self._client.get_object(Bucket=self.address.bucket, Key=one.key, IfMatch=one.etag)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _CHANGED:
                    return False
                raise
            if answer["ContentLength"] > _MOST_BYTES:
                raise InputError(
                    f"{self.name}: {one.key} is larger than {_MOST_BYTES >> 30} GiB: write smaller files"
                )
            for piece in answer["Body"].iter_chunks(_PIECE):
                file.write(piece)
        file.seek(0)
        return True

    def _streamed(self, one: BucketFile, number: int, row: bytes | Fault) -> Streamed:
        place = f"{self.address.bucket}/{one.key}"
        raw, value = (b"", row) if isinstance(row, Fault) else (row, json_in(row))
        kept = {}
        if "time" in self._decoding.keep:
            kept[TIME] = one.told
        if "key" in self._decoding.keep:
            kept[KEY] = one.key
        return Streamed(place, number, f"{place}/{one.etag}/{number}", raw, value, kept)

    def _batch(self, taken: list[Streamed], marks: dict[str, _Mark | None]) -> StreamBatch:
        piece = self._decoding(taken, self._now_ms())
        self._rows += len(taken)
        positions = tuple(
            Position(self._source, key, None if mark is None else msgspec.json.encode(mark).decode())
            for key, mark in marks.items()
        )
        return StreamBatch(piece.events, piece.labels, piece.bad, positions, self._rows, None, piece.skipped)
