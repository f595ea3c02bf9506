"""Files of other programs, told by their first bytes, and what to do with them."""

from __future__ import annotations

from typing import Final

MOST: Final = 16
"""First bytes that are looked at."""

_SHEET: Final = "save the sheet as CSV UTF-8"
_KINDS: Final = (
    (b"PK\x03\x04", f"a ZIP archive or an Excel workbook: unpack it, or {_SHEET}"),
    (b"\xd0\xcf\x11\xe0", f"an old Excel workbook or Office document: {_SHEET}"),
    (b"BZh", "packed by bzip2: unpack it (bunzip2); gzip and zstd are read as they are"),
    (b"\xfd7zXZ\0", "packed by xz: unpack it (unxz); gzip and zstd are read as they are"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it; gzip and zstd are read as they are"),
    (b"\x04\x22\x4d\x18", "packed by lz4: unpack it (unlz4); gzip and zstd are read as they are"),
    (b"Obj\x01", "an Avro file: convert it to Parquet or NDJSON"),
    (b"ORC", "an ORC file: convert it to Parquet"),
    (b"ARROW1", "an Arrow (Feather) file: convert it to Parquet"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"%PDF-", "a PDF: ask for the same as CSV"),
    (b"<?xml", "XML: convert it to JSON; pacs.008, pacs.004, pacs.007 and pain.001 as JSON have mappings"),
    (b"<!DOCTYPE", f"a web page, as some programs write for Excel: {_SHEET}"),
    (b"<html", f"a web page, as some programs write for Excel: {_SHEET}"),
    (b"-----BEGIN PGP", "encrypted by PGP: decrypt it first"),
)


def told(head: bytes) -> str | None:
    """What a file is that begins so, and the way to read it; None for what may be read as it is.

    >>> told(b"BZh91AY")
    'packed by bzip2: unpack it (bunzip2); gzip and zstd are read as they are'
    """
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((said for mark, said in _KINDS if begin.lower().startswith(mark.lower())), None)
