"""Decoding as a process: see `ringfence.compose.apart`.

Each message is a `ringfence.api.hot.decoding_aside.RawPiece`, which it answers within so many seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import fields
from time import process_time
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.api.hot.decoding import Decoding
from ringfence.api.hot.decoding_aside import DecodedPiece, RawPiece
from ringfence.api.http.problems import refused_record
from ringfence.compose.answering import messages
from ringfence.compose.folder.store import door_of
from ringfence.events import codec
from ringfence.events.bad import ToldRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ringfence.events.bad import BadRecord
    from ringfence.events.batch import EventBatch
    from ringfence.events.privacy.personal import Original

_BATCHES: Final = 8  # whose looks are remembered


def main(folder: Path, seconds: float) -> None:
    """Answer until nobody asks any more. Another process writes to the store in `folder`."""
    with messages() as asked:
        asked.take()
        originals: list[Original] = []
        tokenizer, seed = door_of(folder, originals.extend)
        decoding = Decoding(tokenizer, seed)
        known: OrderedDict[int, Callable[[Sequence[bytes], int], tuple[EventBatch, list[BadRecord]]]] = (
            OrderedDict()
        )

        def answer(message: bytes) -> bytes:
            begin = process_time()
            piece = msgspec.msgpack.decode(message, type=RawPiece)
            decode = known.pop(piece.batch, None) or decoding.of_batch()
            known[piece.batch] = decode
            if len(known) > _BATCHES:
                known.popitem(last=False)
            tokenizer.dropped.clear()
            originals.clear()
            events, bad = decode(piece.records, piece.now_ms)
            encoded, told = codec.encode(events), list(map(_told, bad))
            took = process_time() - begin
            return msgspec.msgpack.encode(
                DecodedPiece(encoded, told, dict(tokenizer.dropped), originals, took)
            )

        answer(msgspec.msgpack.encode(RawPiece(batch=0, now_ms=0, texts=[b"{}"])))  # loads every kernel
        asked.answer_all(answer, seconds)


def _told(bad: BadRecord) -> ToldRecord:
    known = {one.name: getattr(bad, one.name) for one in fields(bad)}
    return ToldRecord(**known, answer=refused_record(bad).body)
