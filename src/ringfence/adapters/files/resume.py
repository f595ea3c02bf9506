"""A reading of files that goes on where an earlier one of the same files was interrupted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ringfence.adapters.files.paths import STDIN, resolve
from ringfence.errors import InputError
from ringfence.ports.sources import PART, Mark, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def reading_of(
    sources: Sequence[str],
    options: Sequence[Any],
    positions: Callable[[str], dict[str, str]],
    now_ms: int,
) -> Reading | None:
    """The reading of these files as they are now; None where one can be read once only.

    `options` are all else that decides which rows a batch has; `positions` as of `Journal.positions`.
    """
    files: list[Any] = []
    for source in sources:
        try:
            found = resolve([source])
        except InputError:
            found = []  # told when it is read
        for name in found:
            path = Path(name)
            if name == STDIN or not path.is_file():
                return None
            stat = path.stat()
            files.append((str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    described = msgspec.json.encode([files, options], order="deterministic")
    source = f"files:{hashlib.sha256(described).hexdigest()[:32]}"
    kept = positions(source).get(PART)
    return Reading(source, Mark(0, 0, now_ms) if kept is None else msgspec.json.decode(kept, type=Mark))
