"""Which files a user means, and the bytes inside them."""

from __future__ import annotations

import codecs
import select
import sys
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Protocol

import zstandard

from ringfence.adapters.files import foreign
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.ports.sources import Format

STDIN: Final = "-"
FORMATS: Final[tuple[Format, ...]] = ("csv", "ndjson", "parquet")
_CHUNK: Final = 1024 * 1024
_SILENCE_S: Final = 0.05  # of a pipe: what has come by then is decided
# Packed bytes given to an unpacker at a time: all that is lost before a damaged place. What they unpack to is
# memory at once, up to a thousand times as much of gzip, and 32 thousand times of zstd.
_SLICES: Final = {"gzip": 2048, "zstd": 256}
_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PACKED: Final = (".gz", ".zst", ".zstd")
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_HIDDEN: Final = (".", "~$")  # what systems and programs put beside files for themselves
_BOM: Final = b"\xef\xbb\xbf"
_BOMS_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CutShortError(Exception):
    """A compressed source ends early or is damaged. All bytes before that place have been given out."""


def resolve(paths: Sequence[str]) -> list[str]:
    """Files in the order given; a folder or a glob stands for its files, sorted by name.

    `InputError` when something is missing or holds no data file.
    """
    found: list[str] = []
    for path in paths:
        found += [path] if path == STDIN else _files(path)
    if not found:
        raise InputError("no source given: name a file, a folder, a glob, or - for standard input")
    return found


def size_of(path: str) -> int | None:
    """Bytes of a file, None for standard input."""
    return None if path == STDIN else Path(path).stat().st_size


@dataclass(slots=True)
class OpenedFile:
    """An open source: its format, how it is packed, and its bytes."""

    path: str
    format: Format
    packing: Literal["gzip", "zstd"] | None
    raw: BinaryIO
    reasons: list[str]
    read_bytes: int = 0  # of the packed source

    def chunks(self, encoding: str = "utf-8") -> Iterator[bytes]:
        """The unpacked bytes as UTF-8 without byte order mark, which tells UTF-16 whatever is said.

        `CutShortError` comes after the last good byte. An empty chunk says that a live source has nothing
        more for the moment.
        """
        chunks = self._unpacked()
        first = next(filter(None, chunks), b"")
        if first.startswith(_BOM):
            yield first.removeprefix(_BOM)
            yield from chunks
            return
        if first.startswith(_BOMS_16):
            encoding = "utf-16"
        if codecs.lookup(encoding).name == "utf-8":
            yield first
            yield from chunks
            return
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        for chunk in chain([first], chunks):
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()

    def _packed(self) -> Iterator[bytes]:
        for chunk in (
            _as_it_comes(self.raw) if self.path == STDIN else iter(lambda: self.raw.read(_CHUNK), b"")
        ):
            self.read_bytes += len(chunk)
            yield chunk

    def _unpacked(self) -> Iterator[bytes]:
        if self.packing is None:
            yield from self._packed()
        else:
            yield from _unpack(filter(None, self._packed()), self.packing)


@contextmanager
def opened(path: str, fmt: Format | None = None) -> Iterator[OpenedFile]:
    """The source, its format told from `fmt`, its name or its first bytes."""
    if path == STDIN:
        yield _look(path, sys.stdin.buffer, fmt)
        return
    try:
        raw = Path(path).open("rb")  # noqa: SIM115  # closed below; an error inside is not one of opening
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    with raw:
        yield _look(path, raw, fmt)


def _as_it_comes(raw: BinaryIO) -> Iterator[bytes]:
    """What a pipe has, as soon as it has it; an empty chunk while its other end is silent."""
    read = getattr(raw, "read1", raw.read)
    while True:
        if not _has_more(raw):
            yield b""
        chunk = read(_CHUNK)
        if not chunk:
            return
        yield chunk


def _has_more(raw: BinaryIO) -> bool:
    """Whether more can be read without waiting long; yes where that cannot be told."""
    try:
        return bool(select.select([raw], [], [], _SILENCE_S)[0])
    except (OSError, ValueError):  # no pipe
        return True


def _files(path: str) -> list[str]:
    if Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        inside = sorted(
            str(file)
            for file in Path(path).iterdir()
            if file.is_file() and _format_by_name(file.name) and not file.name.startswith(_HIDDEN)
        )
        if not inside:
            raise InputError(f"folder {path} holds no .csv, .ndjson, .jsonl, .json or .parquet file")
        return inside
    if any(letter in path for letter in "*?["):
        anchor = Path(path).anchor
        named = Path(anchor or ".").glob(path.removeprefix(anchor))
        hidden = Path(path).name.startswith(_HIDDEN)  # asked for by name
        matching = sorted(
            str(file) for file in named if file.is_file() and (hidden or not file.name.startswith(_HIDDEN))
        )
        if not matching:
            raise InputError(
                f"no file matches {path}: check the pattern, and quote it if the shell expands it"
            )
        return matching
    if not Path(path).exists():
        raise InputError(f"{path} does not exist: check the path")
    return [path]  # a pipe or a device


def _format_by_name(name: str) -> Format | None:
    path = Path(name.lower())
    while path.suffix in _PACKED:
        path = path.with_suffix("")
    return _SUFFIXES.get(path.suffix)


def _look(path: str, raw: BinaryIO, fmt: Format | None) -> OpenedFile:
    if not hasattr(raw, "peek"):
        raise InputError(f"{path} cannot be read ahead: save it to a file first")
    begin = raw.peek(foreign.MOST)[: foreign.MOST]
    if (said := foreign.told(begin)) is not None:
        raise InputError(f"{path} is {said}")
    head = begin[:4]
    packing: Literal["gzip", "zstd"] | None = (
        "gzip" if head[:2] == _GZIP else "zstd" if head == _ZSTD else None
    )
    reasons = [f"its first bytes are {packing}'s"] if packing else []
    named = None if path == STDIN else _format_by_name(path)
    if head == _PARQUET:
        named = "parquet"
        reasons.append("its first bytes are Parquet's")
    elif named:
        reasons.append(f"its name ends like a {named} file's")
    if fmt is None and named is None:
        named = _format_by_content(raw.peek(_CHUNK), packing)
        reasons.append(f"its first record looks like {named}")
    return OpenedFile(path, fmt or named or "csv", packing, raw, reasons)


def _format_by_content(ahead: bytes, packing: Literal["gzip", "zstd"] | None) -> Format:
    try:
        text = next(_unpack(iter([ahead]), packing), b"") if packing else ahead
    except CutShortError:
        text = b""
    if text.startswith(_BOMS_16):
        text = text[:64].decode("utf-16", "replace").encode()
    return "ndjson" if text.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[") else "csv"


class _Unpacker(Protocol):
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _unpacker(packing: Literal["gzip", "zstd"]) -> _Unpacker:
    if packing == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor().decompressobj()


def _unpack(packed: Iterator[bytes], packing: Literal["gzip", "zstd"]) -> Iterator[bytes]:
    """Unpacked bytes of one or several members in chunks; all before damaged data comes before the error."""
    out: list[bytes] = []
    waiting = 0
    try:
        for piece in _unpack_finely(packed, packing):
            out.append(piece)
            waiting += len(piece)
            if waiting >= _CHUNK:
                whole = b"".join(out)
                out, waiting = [], 0
                yield from (whole[at : at + _CHUNK] for at in range(0, len(whole), _CHUNK))
    except CutShortError:
        yield b"".join(out)
        raise
    yield b"".join(out)


def _unpack_finely(packed: Iterator[bytes], packing: Literal["gzip", "zstd"]) -> Iterator[bytes]:
    unpacker, fed, size = _unpacker(packing), False, _SLICES[packing]
    for chunk in packed:
        for at in range(0, len(chunk), size):
            data = chunk[at : at + size]
            while data:
                if unpacker.eof:
                    unpacker, fed = _unpacker(packing), False
                try:
                    yield unpacker.decompress(data)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise CutShortError(f"its {packing} data is damaged ({error})") from error
                fed = True
                data = unpacker.unused_data if unpacker.eof else b""
    if fed and not unpacker.eof:
        raise CutShortError(f"its {packing} data ends too early")
