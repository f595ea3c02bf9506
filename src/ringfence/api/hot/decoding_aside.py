"""Batches and large payments decoded by a process beside the server.

What somebody sends there may take a second to read, and hundreds of megabytes: in this process every payment
would wait for the interpreter meanwhile, and the memory would not come back.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from ringfence.api.hot.records import Lines
from ringfence.api.http.problems import Refusal, unavailable
from ringfence.compose.worker_process import MOST_BYTES, RAN, Apart, ApartWords, StarvedError
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.events import codec
from ringfence.events.bad import ToldRecord  # noqa: TC001 (msgspec reads the annotations)
from ringfence.events.privacy.personal import Original  # noqa: TC001 (likewise)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.tokens import Tokenizer

DECODING_SECONDS: Final = 5.0
"""How long one piece of a batch, or one payment, may take; a payment comes before the pieces that wait."""

PATIENCE_SECONDS: Final = 30.0
"""Likewise, on a machine that has no time for it."""


class RawPiece(msgspec.Struct, frozen=True, kw_only=True):
    """Records to decode: a block of lines with the places after each, or texts in which newlines may stand.

    Pieces of one `batch` tend to look alike; 0 is none.
    """

    batch: int
    now_ms: int
    block: bytes = b""
    ends: bytes = b""  # int64
    texts: list[bytes] = []

    @property
    def records(self) -> Sequence[bytes]:
        """What is to be decoded."""
        return Lines(self.block, np.frombuffer(self.ends, np.int64)) if self.ends else self.texts


class DecodedPiece(msgspec.Struct, frozen=True):
    """The events of a piece as `codec` has them, its bad records, and what was dropped, by kind.

    `originals` are of personal data that tokens took the place of. All of it took `seconds` of CPU.
    """

    events: bytes
    bad: list[ToldRecord]
    dropped: dict[str, int]
    originals: list[Original]
    seconds: float


def untold(_seconds: float) -> None:
    """Nobody hears how long it took."""


class Aside(Protocol):
    """Decodes what takes long, on a thread that no payment waits for."""

    def __call__(self, lines: Sequence[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
        """Events of the good lines in order, and the bad ones, by position from 0."""
        ...

    def of_batch(
        self, spent: Callable[[float], None] = untold
    ) -> Callable[[Sequence[bytes], int], tuple[EventBatch, list[BadRecord]]]:
        """The same for the many records of one caller; `spent` hears what another process took: seconds.

        Of what is refused it hears, too.
        """
        ...


class DecodingAside:
    """`Aside` by a process of low priority. `Refusal` of what takes it too long, or too much memory."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        """`folder` is that of the store; `tokenizer` counts what is dropped."""
        wording = ApartWords(
            "the process that reads batches",
            f"these records were not read within {DECODING_SECONDS:g} s: send fewer or smaller ones at once",
            f"reading these records needs more than {MOST_BYTES / (1 << 30):g} GiB of memory: send fewer or "
            "smaller ones at once",
            "the server stops: send this again once it runs",
            f"this machine had no time to read these records within {PATIENCE_SECONDS:g} s: send them again",
        )
        arguments = (str(folder.absolute()), str(DECODING_SECONDS))
        self._apart = Apart(
            "ringfence.api.hot.decoding_apart",
            arguments,
            wording,
            DECODING_SECONDS,
            patience=PATIENCE_SECONDS,
        )
        self._tokenizer = tokenizer
        self._batches = count(1)

    def start_soon(self) -> None:
        """Have the process started: whoever sends the first batch has no more patience than the others."""
        Thread(target=self._start, name="ringfence-decoding", daemon=True).start()

    def __call__(self, lines: Sequence[bytes], now_ms: int) -> tuple[EventBatch, list[BadRecord]]:
        """See `Aside`."""
        return self._decode(lines, now_ms, 0, untold)

    def of_batch(
        self, spent: Callable[[float], None] = untold
    ) -> Callable[[Sequence[bytes], int], tuple[EventBatch, list[BadRecord]]]:
        """See `Aside`."""
        number = next(self._batches)
        return lambda lines, now_ms: self._decode(lines, now_ms, number, spent)

    def close(self) -> None:
        """Nothing is decoded any more."""
        self._apart.close()

    def _start(self) -> None:
        with suppress(RingfenceError):  # told to whoever sends a batch
            self._apart.start()

    def _decode(
        self, lines: Sequence[bytes], now_ms: int, batch: int, spent: Callable[[float], None]
    ) -> tuple[EventBatch, list[BadRecord]]:
        given: dict[str, Any] = (
            {"block": lines.block, "ends": lines.ends.tobytes()}
            if isinstance(lines, Lines)
            else {"texts": list(lines)}
        )
        piece = RawPiece(batch=batch, now_ms=now_ms, **given)
        try:
            read = self._apart.ask(msgspec.msgpack.encode(piece), _read, first=not batch)
        except StarvedError as error:
            spent(DECODING_SECONDS * RAN)
            raise unavailable(str(error)) from None
        except InputError as error:
            spent(DECODING_SECONDS)  # and the process begins anew
            raise Refusal(413, "too_costly", str(error)) from None
        except StoreError as error:
            raise unavailable(str(error)) from None
        spent(read.seconds)
        self._tokenizer.dropped.update(read.dropped)
        if self._tokenizer.personal is not None:
            self._tokenizer.personal.take(read.originals)
        return codec.decode(read.events), [*read.bad]


def _read(said: bytes) -> DecodedPiece:
    return msgspec.msgpack.decode(said, type=DecodedPiece)
