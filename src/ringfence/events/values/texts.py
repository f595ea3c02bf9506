"""Texts that a user wrote, read with a bound on their size and nesting: mappings, settings, rule books."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TEXT_LIMIT: Final = 4 * 1024 * 1024
TOML_LIMIT: Final = 1024 * 1024
_KEY_PARTS: Final = 256  # of a dotted key: the time to read one grows with the square


def read_text(file: Path, limit: int = TEXT_LIMIT) -> str:
    """The UTF-8 text of a file of at most `limit` bytes.

    `InputError` of a larger one; `OSError` and `UnicodeDecodeError` as from `Path.read_text`.
    """
    with file.open("rb") as opened:
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{file} is larger than {limit >> 20} MiB: check the path, or split the file")
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text; `InputError` where it is none, too large or nested too deeply."""
    if len(text) > TOML_LIMIT:
        raise InputError(f"{where} is larger than {TOML_LIMIT >> 20} MiB: check the path, or shorten it")
    for number, line in enumerate(text.split("\n"), 1):
        if any(part.count(".") >= _KEY_PARTS for part in line.split("=")):
            raise InputError(f"{where}, line {number}: a name of more than {_KEY_PARTS} parts: shorten it")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where} is no TOML: {error}") from error
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply: write its lists and tables flat") from error
