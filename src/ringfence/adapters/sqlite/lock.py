"""One at a time: a locked file that says which process it is."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, ClassVar, Final

from ringfence.adapters.sqlite.problems import explain
from ringfence.errors import InUseError

if TYPE_CHECKING:
    from pathlib import Path


WRITES: Final = (
    "{folder} is in use by process {holder}: one process writes at a time. "
    "Wait for it, end it, or use another --data folder"
)


class WriterLock:
    """Held from construction to `release`, or to the end of the process, however it ends.

    POSIX record locks, because a forked child (a snapshot being written) does not inherit them: a killed
    parent frees the store at once. They do not exclude a second lock of the same process, so those are
    counted here.
    """

    _held: ClassVar[set[str]] = set()

    def __init__(self, path: Path, refusal: str = WRITES) -> None:
        """`refusal` is told to the second one, with `{folder}` and `{holder}` filled in."""
        self._key = str(path.absolute())
        self._refusal = refusal
        if self._key in self._held:
            raise self._in_use(path, str(os.getpid()))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(error, path) from error
        try:
            self._take(path)
        except BaseException:
            os.close(self._file)
            raise
        self._held.add(self._key)

    def _take(self, path: Path) -> None:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            raise self._in_use(path, holder or "unknown") from None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise explain(error, path) from error

    def release(self) -> None:
        """Let the next writer in. Releasing twice is allowed."""
        if self._key in self._held:
            self._held.discard(self._key)
            os.close(self._file)

    def _in_use(self, path: Path, holder: str) -> InUseError:
        return InUseError(self._refusal.format(folder=path.parent, holder=holder))
