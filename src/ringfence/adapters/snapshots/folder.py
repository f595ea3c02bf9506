"""The folder of snapshots: the newest few, written beside the pipeline by a forked child."""

from __future__ import annotations

import errno
import gc
import os
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.snapshots import layout
from ringfence.errors import CorruptError, StoreError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ringfence.adapters.snapshots.layout import Snapshot


_NAME: Final = re.compile(r"snapshot-(\d{20})\.bin")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a snapshot in the background ended; `problem` is None where it was saved."""

    offset: int
    problem: StoreError | None


class Snapshots:
    """The snapshots of one store, by log offset; the newest `keep` stay.

    One may be ahead of what the log has committed; `discard_beyond` sees to that after a crash.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self._folder = folder
        self._keep = keep
        self._child: tuple[int, int] | None = None  # process id, offset
        self._done: Finished | None = None  # without a child, and not told yet

    def save(self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int) -> None:
        """Write a snapshot to stable storage, then return; `StoreFullError` when there is no room."""
        self.wait()
        partial = self._prepare(offset)
        try:
            self._write(partial, arrays, header, offset)
            self._complete(partial, offset)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _explain(error.errno or 0, self._folder) from error
        self._prune()

    def save_in_background(
        self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int
    ) -> bool:
        """Start writing the arrays as they are now; False where an earlier snapshot is still being written.

        The caller goes on changing the arrays at once: a forked child writes its own view of them. Where the
        system cannot fork, this is `save`. `StoreError` where none can be begun: no room, no rights, no
        memory for another process.
        """
        if self._child is not None:
            return False
        if not hasattr(os, "fork"):
            self.save(arrays, header, offset)
            self._done = Finished(offset, None)
            return True
        partial = self._prepare(offset)
        parent = os.getpid()
        with warnings.catch_warnings():
            # Since 3.12 Python warns of a fork beside threads. The child takes no lock that one of them
            # could hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                child = os.fork()
            except OSError as error:
                raise _explain(error.errno or 0, self._folder) from error
        if child == 0:
            self._write_and_exit(partial, arrays, header, offset, parent)
        self._child = (child, offset)
        return True

    @property
    def is_writing(self) -> bool:
        """Whether a snapshot is under way that `poll` or `wait` has not reported."""
        return self._child is not None

    def poll(self) -> Finished | None:
        """How the snapshot in the background ended, once; None while it runs or where there is none."""
        return self._reap(os.WNOHANG)

    def wait(self) -> Finished | None:
        """As `poll`, once it has ended."""
        return self._reap(0)

    def load_latest(self) -> tuple[Snapshot | None, list[str]]:
        """The newest sound snapshot, and what is wrong with each newer one that is damaged."""
        damaged: list[str] = []
        for path in self._paths():
            try:
                return layout.read(path), damaged
            except CorruptError as error:
                damaged.append(str(error))
            except OSError as error:
                damaged.append(f"{path}: {error.strerror}")
        return None, damaged

    def set_aside(self, offset: int) -> None:
        """Take a snapshot that cannot be used out of the newest few, without deleting it."""
        with suppress(StoreError):
            _put_aside(self.path_of(offset))

    def discard_beyond(self, offset: int) -> None:
        """Remove snapshots ahead of the log's end, as a crash between a snapshot and its commit leaves them.

        The log will reach that offset again with other events. Half-written files go too: their writer, if it
        has outlived its parent, then cannot complete one.
        """
        ahead = [path for path in self._paths() if _offset_of(path) > offset]
        for path in (*self._folder.glob("*.partial"), *ahead):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                _put_aside(path)

    def offsets(self) -> list[int]:
        """Offsets of the snapshots that are there, newest first."""
        return [_offset_of(path) for path in self._paths()]

    def path_of(self, offset: int) -> Path:
        """Where the snapshot at an offset is kept."""
        return self._folder / _name(offset)

    def _paths(self) -> list[Path]:
        """Newest first; what is named otherwise is somebody else's."""
        try:
            return sorted(filter(_is_snapshot, self._folder.glob("snapshot-*.bin")), reverse=True)
        except OSError as error:
            raise _explain(error.errno or 0, self._folder) from error

    def _prepare(self, offset: int) -> Path:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left_over in self._folder.glob("*.partial"):
                left_over.unlink(missing_ok=True)
        except OSError as error:
            raise _explain(error.errno or 0, self._folder) from error
        return self.path_of(offset).with_suffix(f".{os.getpid()}.partial")

    def _write(
        self, partial: Path, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int
    ) -> None:
        file = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            layout.write(file, arrays, header, offset)
        finally:
            os.close(file)

    def _complete(self, partial: Path, offset: int) -> None:
        partial.rename(self.path_of(offset))
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write_and_exit(
        self,
        partial: Path,
        arrays: Mapping[str, NDArray[Any]],
        header: dict[str, Any],
        offset: int,
        parent: int,
    ) -> None:
        """The child's whole life: it must return to nobody and run nobody's clean-up."""
        code = 255
        try:
            gc.disable()
            self._write(partial, arrays, header, offset)
            if os.getppid() == parent:  # of a parent that died nobody knows what its log had reached
                self._complete(partial, offset)
                code = 0
        except OSError as error:
            code = min(error.errno or 255, 255)
        finally:
            os._exit(code)

    def _reap(self, options: int) -> Finished | None:
        if self._child is None:
            done, self._done = self._done, None
            return done
        child, offset = self._child
        ended, status = os.waitpid(child, options)
        if not ended:
            return None
        self._child = None
        code = os.waitstatus_to_exitcode(status)
        if code:
            return Finished(offset, _explain(code, self._folder))
        self._prune()
        return Finished(offset, None)

    def _prune(self) -> None:
        for old in self._paths()[self._keep :]:
            with suppress(OSError):  # one that cannot go costs room, and no more
                old.unlink(missing_ok=True)


def _name(offset: int) -> str:
    return f"snapshot-{offset:020d}.bin"


def _is_snapshot(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None


def _put_aside(path: Path) -> None:
    try:
        path.rename(path.with_suffix(".unusable"))
    except OSError as error:
        raise _explain(error.errno or 0, path.parent) from error


def _offset_of(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _explain(code: int, folder: Path) -> StoreError:
    """What an errno, 255, or minus the number of a signal says about a snapshot."""
    if code in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(f"no room for a snapshot in {folder}: the log is safe. Free space")
    how = (
        f"signal {-code} ended the writer"
        if code < 0
        else os.strerror(code)
        if code < 255
        else "internal error"
    )
    return StoreError(
        f"no snapshot was written to {folder}: {how}. The log is safe, a restart replays more of it. See to "
        "its rights, its disk and the machine's memory"
    )
