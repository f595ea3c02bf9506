"""A JSON array taken apart slice by slice: no more than one slice's elements are ever objects at once.

A slice ends at a comma. Where what stands before it reads as whole elements, the comma stands between two
elements, as reading JSON from its beginning can have one result only; else the next comma is tried.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.api.http.problems import Refusal
from ringfence.api.http.turns import Turns
from ringfence.events.decoding.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SLICE: Final = 64 << 10
_LONGEST: Final = 2 * RECORD_LIMIT  # of a slice: whatever stands in it, a whole element fits
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_OPENED: Final = re.compile(rb"[ \t\r\n]*\[")
_BETWEEN: Final = re.compile(rb"\}[ \t\r\n]{0,256},(?=[ \t\r\n]{0,256}\{)")
_TRIES: Final = 3  # commas between objects in one stretch: a text may look like one


async def elements(body: bytes, chunk: int, most: int) -> AsyncIterator[list[bytes]]:
    """The elements, at most `chunk` at a time; `Refusal` 400 or 413 before the first of them."""
    spans = [span async for span in _spans(body, most)]
    turns, held = Turns(), list[bytes]()
    for begin, end in spans:
        held += map(bytes, _read(body, begin, end) or ())
        while len(held) >= chunk:
            yield held[:chunk]
            held = held[chunk:]
        await turns.give()
    if held:
        yield held


async def _spans(body: bytes, most: int) -> AsyncIterator[tuple[int, int]]:
    """Where the slices are."""
    opened, end = _OPENED.match(body), body.rfind(b"]")
    if opened is None or end < opened.end() or not _BLANKS.fullmatch(body, end + 1):
        raise _no_array()
    begin = opened.end()
    if _BLANKS.fullmatch(body, begin, end):
        return
    turns, count, place = Turns(), 0, begin
    while place <= end:
        cut, found = await _cut(body, place, end, turns)
        count += found
        if count > most:
            raise Refusal(
                413, "too_many_records", f"more than {most:,} records in one request: send fewer at once"
            )
        yield place, cut
        place = cut + 1
        await turns.give()


async def _cut(body: bytes, place: int, end: int, turns: Turns) -> tuple[int, int]:
    """End of the slice that begins here, and how many elements it has."""
    size = _SLICE
    while place + size < end and size <= _LONGEST:
        for cut in _commas(body, place + size, min(end, place + 2 * size)):
            found = _read(body, place, cut)
            if found:
                return cut, len(found)
            await turns.give()
        size *= 2
    found = _read(body, place, end) if end - place <= _LONGEST else None
    if not found:
        raise _no_array()
    return end, len(found)


def _commas(body: bytes, begin: int, end: int) -> list[int]:
    """Commas that may stand between two elements: between two objects, else any."""
    places = [found.end() - 1 for found in islice(_BETWEEN.finditer(body, begin, end), _TRIES)]
    plain = body.find(b",", begin, end)
    return places if plain < 0 else [*places, plain]


def _read(body: bytes, begin: int, end: int) -> list[msgspec.Raw] | None:
    try:
        return _ARRAY.decode(b"[%b]" % body[begin:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _no_array() -> Refusal:
    return Refusal(
        400,
        "malformed_json",
        "the body is no JSON array of records of at most 1 MiB each: send [{...}, {...}]",
    )
