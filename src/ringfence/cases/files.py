"""What may be attached to a case: a few harmless kinds of file, known by their content, of bounded size."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES: Final = 3 << 20
"""Of one file."""

MOST_FILES: Final = 20
"""Of one case."""

_MOST_NAME: Final = 120
_KINDS: Final[Mapping[str, tuple[str, bytes]]] = {
    "png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    "jpg": ("image/jpeg", b"\xff\xd8\xff"),
    "jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    "pdf": ("application/pdf", b"%PDF-"),
    "txt": ("text/plain", b""),
    "csv": ("text/csv", b""),
}
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class File(NamedTuple):
    """A file that may be kept: its name for people, its type, and the hash by which it is known."""

    name: str
    media_type: str
    sha256: str
    body: bytes


def inspected(name: str, body: bytes) -> File:
    """The file as it may be kept; `InputError` says why one may not.

    The type is that of the content, which has to agree with the ending of the name. A name keeps neither its
    folder nor what is not printable.

    >>> inspected("C:/tmp/../letter.txt", b"hello").name
    'letter.txt'
    """
    shown = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(one for one in shown if one.isprintable()).strip(" .")
    ending = shown.rpartition(".")[2].lower()
    if not 0 < len(shown) <= _MOST_NAME or "." not in shown:
        raise InputError(
            f"a file needs a name of at most {_MOST_NAME} characters with an ending, such as a.pdf"
        )
    if ending not in _KINDS:
        raise InputError(f"files of kind {ending[:20]!r} are not taken: attach {', '.join(sorted(_KINDS))}")
    if not body:
        raise InputError(f"{shown} is empty")
    if len(body) > MOST_BYTES:
        raise InputError(f"{shown} is larger than {MOST_BYTES >> 20} MiB: attach a smaller one")
    media_type, beginning = _KINDS[ending]
    if not body.startswith(beginning) or (not beginning and not _is_text(body)):
        raise InputError(f"{shown} is not what its name says: its content is not {media_type}")
    return File(shown, media_type, hashlib.sha256(body).hexdigest(), body)


def _is_text(body: bytes) -> bool:
    try:
        return not _CONTROLS.search(body.decode("utf-8"))
    except UnicodeDecodeError:
        return False
