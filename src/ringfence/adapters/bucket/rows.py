"""The rows of one file as JSON lines, whichever of Parquet, CSV and JSON lines it is, plain or gzip.

What a file is, its first bytes say: the files of AWS Glue have no endings.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.events.bad import Fault, Reason
from ringfence.events.decoding.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_AT_ONCE: Final = 1000


def rows_in(file: BinaryIO) -> Iterator[bytes | Fault]:
    """Each row, in order, as JSON or as what is wrong with it; the last where it cannot be read on."""
    try:
        begin = file.read(4)
        file.seek(0)
        if begin.startswith(_GZIP):
            with gzip.open(file) as plain:
                yield from _text(cast("BinaryIO", plain))
        else:
            yield from _parquet(file) if begin == _PARQUET else _text(file)
    except (
        pa.ArrowException,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        UnicodeDecodeError,
        csv.Error,
    ) as error:
        yield Fault(Reason.MALFORMED, "", f"the file cannot be read from here on: {error}")


def _text(file: BinaryIO) -> Iterator[bytes | Fault]:
    begin = file.read(64).removeprefix(_BOM).lstrip()
    file.seek(0)
    return _lines(file) if begin.startswith(b"{") else _csv(file)


def _parquet(file: BinaryIO) -> Iterator[bytes]:
    for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE):
        yield from map(_line, batch.to_pylist())


def _lines(file: BinaryIO) -> Iterator[bytes | Fault]:
    while line := file.readline(RECORD_LIMIT + 1):
        if len(line) > RECORD_LIMIT and not line.endswith(b"\n"):
            while (rest := file.readline(RECORD_LIMIT)) and not rest.endswith(b"\n"):
                pass
            yield Fault(Reason.TOO_LARGE, "", f"more than {RECORD_LIMIT} bytes in a line")
        elif line := line.removeprefix(_BOM).strip():
            yield line


def _csv(file: BinaryIO) -> Iterator[bytes | Fault]:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        reader = csv.DictReader(text, strict=True)
        for row in reader:
            if None in row or None in row.values():
                said = f"line {reader.line_num} has another number of fields than the header"
                yield Fault(Reason.MALFORMED, "", said)
            else:
                yield _line(row)
    finally:
        text.detach()  # the file is its caller's to close


def _line(row: dict[Any, Any]) -> bytes:
    return msgspec.json.encode(row, enc_hook=str)
