"""Tables that end within a line: nobody can tell whether the last row is whole."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ringfence.adapters.files.paths import STDIN, opened, resolve
from ringfence.errors import InputError
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.ports.sources import Format

_ENDS: Final = (b"\n", b"\r", b"\n\0", b"\r\0")  # in UTF-16 as well


def unended_tables(paths: Sequence[str], fmt: Format | None = None) -> list[str]:
    """The CSV files among these sources that do not end with a newline, in their order.

    What is compressed tells itself where it is cut.
    """
    found = []
    for path in paths:
        files: list[str] = []
        with suppress(InputError, OSError):
            files += resolve([path]) if path != STDIN else ()
        for file in files:
            with suppress(InputError, OSError):
                if _ends_within_a_line(file, fmt):
                    found.append(mask_cards(file))
    return found


def _ends_within_a_line(file: str, fmt: Format | None) -> bool:
    with opened(file, fmt) as source:
        is_plain_table = source.format == "csv" and source.packing is None
    last = _last_bytes(file)
    return is_plain_table and last != b"" and not last.endswith(_ENDS)


def _last_bytes(file: str) -> bytes:
    with Path(file).open("rb") as stream:
        stream.seek(max(Path(file).stat().st_size - 2, 0))
        return stream.read(2)
