"""Who created and removed files of a zone in a folder: lines of JSON in its folder `_access`, bounded."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ACCESS: Final = "_access"
_NEWEST: Final = "access.ndjson"
_MOST_BYTES: Final = 8_000_000  # of one file; some 50,000 lines
_OLDER: Final = 15  # files that stay beside the newest
_LIKE_A_CARD: Final = re.compile(r"(?<!\d)\d{14,19}(?!\d)")  # names of the zone have 13 or 20 digits in a row


class ZoneAccess:
    """Adds lines, for several processes at once; the oldest go once there are `older` full files.

    A line is on stable storage before the deed that it tells of: a crash leaves a line too many at most.
    """

    def __init__(self, zone: Path, most_bytes: int = _MOST_BYTES, older: int = _OLDER) -> None:
        self._folder = zone / ACCESS
        self._most_bytes = most_bytes
        self._older = older
        self._who = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid()}

    def tell(self, did: str, files: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Add a line for each file: what is done to it, its name, and what else there is to say of it.

        `OSError` where there is no room, or no right to write.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines = [
            json.dumps({"at": at, **self._who, "did": did, "file": _LIKE_A_CARD.sub("*", name), **more})
            for name, more in files
        ]
        if not lines:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            while lines:
                lines = self._add(lines)

    def _add(self, lines: list[str]) -> list[str]:
        """Add what fits into the newest file; the rest."""
        with _private(self._folder / _NEWEST) as file:
            room, count = self._most_bytes - file.tell(), 0
            while count < len(lines) and room > 0:
                room -= file.write(lines[count].encode() + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        if room <= 0:
            self._turn()
        return lines[count:]

    def _turn(self) -> None:
        """Each file becomes the next older one, the oldest goes."""
        names = [_NEWEST, *(f"access.{number}.ndjson" for number in range(1, self._older + 1))]
        for newer, older in reversed(list(pairwise(names))):
            if (self._folder / newer).exists():
                (self._folder / newer).replace(self._folder / older)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with _private(self._folder / ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
            yield


def _private(path: Path) -> BinaryIO:
    """A file to add to, which is this user's alone where it is new."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _user() -> str:
    """Of the process, as the system knows it: no variable of the environment changes it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # containers have users without a name
        return str(os.geteuid())
