"""Ways in which a file of a data folder comes to harm, and what its files are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACES: Final = {
    "log": "ringfence.db",
    "keys": "access.db",
    "lock": "writer.lock",
    "snapshot": "snapshots/*.bin",
    "table": "tables/decisions/*.parquet",
    "index arrays": "index/*/keys.npy",
    "index rows": "index/*/rows.arrow",
    "index sums": "index/*/sums.json",
    "manifest": "models/*/manifest.json",
    "onnx": "models/*/model.onnx",
    "report": "models/*/report.html",
}
"""The files of a data folder, by a word for each."""

DERIVED: Final = ("snapshot", "table", "index arrays", "index rows", "index sums")
"""Those that are made again from the log."""


def place(folder: Path, what: str) -> Path:
    """The file that a word stands for, the newest snapshot among them; `LookupError` where there is none."""
    found = sorted(folder.glob(PLACES[what]))
    if not found:
        raise LookupError(f"{folder} has no {what}")
    return found[-1 if what == "snapshot" else 0]


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


DAMAGE: Final[dict[str, Callable[[Path], object]]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "flipped": flip,
    "headless": lambda path: path.write_bytes(bytes(16) + path.read_bytes()[16:]),
    "foreign": lambda path: path.write_bytes(b"PK\x03\x04" + b"something else " * 300),
    "a directory": _directory,
    "a dangling link": _dangling,
}
