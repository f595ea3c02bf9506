"""Models by their content, in a folder or in S3-like storage: each version a folder named by its digest."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from pyarrow import fs

from ringfence.adapters.artifacts.reading import read_artifact
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.ports.models import Retired
from ringfence.scoring.artifacts.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.scoring.artifacts.artifact import Artifact

_RETIRED: Final = "retired"
_HEX: Final = frozenset("0123456789abcdef")


class ModelRegistry:
    """Versions are written once and never changed. Safe for several processes at a time."""

    def __init__(self, where: str | Path) -> None:
        """A folder, or a URI that `pyarrow.fs` takes, such as s3://bucket/models?endpoint_override=..."""
        self.where = str(where)
        try:
            if "://" in self.where:
                self._place, self._root = fs.FileSystem.from_uri(self.where)
            else:
                self._place, self._root = fs.LocalFileSystem(), str(Path(where).absolute())
        except (ValueError, OSError) as error:
            raise InputError(f"{self.where} is no place for models: {error}") from error

    def digests(self) -> list[str]:
        """All versions, by digest."""
        infos = self._list(self._root)
        names = [info.base_name for info in infos if info.type == fs.FileType.Directory]
        return sorted(name for name in names if _is_digest(name) and self._has(f"{name}/{MANIFEST}"))

    def find(self, start: str) -> str:
        """The digest that begins so, or the newest model of that name; `InputError` unless it is one."""
        known = self.digests()
        found = [digest for digest in known if start and digest.startswith(start)]
        if not found:
            named = [one for one in map(self.read, known) if one.manifest.name == start]
            found = [one.digest for one in sorted(named, key=lambda one: one.manifest.created_at)][-1:]
        if len(found) == 1:
            return found[0]
        what = f"{len(found)} models begin with" if found else "no model is named, or begins with,"
        raise InputError(f"{what} {start[:80]!r}: `ringfence models list` shows them")

    def read(self, digest: str) -> Artifact:
        """A version, checked. `InputError` where it is not here, `ScorerError` where it was changed."""
        if not _is_digest(digest) or not self._has(f"{digest}/{MANIFEST}"):
            raise InputError(f"model {digest[:80]!r} is not in {self.where}: import it")
        return read_artifact(self._place, f"{self._root}/{digest}", digest)

    def add(self, artifact: Artifact) -> bool:
        """Keep a version; False if it is here already, whole. On stable storage on return, in a folder."""
        folder = f"{self._root}/{artifact.digest}"
        if self._is_whole(artifact.digest):
            return False
        try:
            self._place.create_dir(folder)
            last = {MANIFEST: artifact.files[MANIFEST]}  # makes it whole
            for name, content in {**artifact.files, **last}.items():
                if name != MANIFEST:
                    self._write(f"{folder}/{name}", content)
            self._write(f"{folder}/{MANIFEST}", last[MANIFEST])
            self._sync(folder, self._root)
        except OSError as error:
            raise StoreError(f"the model cannot be kept in {self.where}: {error}") from error
        return True

    def retire(self, digest: str, author: str, note: str, at_ms: int | None = None) -> None:
        """Note that a version is not to be put in force again; decisions that name it can still be read."""
        at_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
        try:
            self._place.create_dir(f"{self._root}/{_RETIRED}")
            self._write(
                f"{self._root}/{_RETIRED}/{digest}.json", msgspec.json.encode(Retired(at_ms, author, note))
            )
            self._sync(f"{self._root}/{_RETIRED}", self._root)
        except OSError as error:
            raise StoreError(f"the model cannot be retired in {self.where}: {error}") from error

    def retired(self) -> Mapping[str, Retired]:
        """The versions that are not to be put in force again."""
        found = {}
        for info in self._list(f"{self._root}/{_RETIRED}"):
            digest = info.base_name.removesuffix(".json")
            if not _is_digest(digest):
                continue
            try:
                with self._place.open_input_stream(info.path) as stream:
                    found[digest] = msgspec.json.decode(stream.read(), type=Retired)
            except (OSError, msgspec.MsgspecError):  # the name says it: in doubt it stays out of force
                found[digest] = Retired(0, "unknown", f"{info.path} cannot be read")
        return found

    def _list(self, folder: str) -> list[fs.FileInfo]:
        try:
            found: list[fs.FileInfo] = self._place.get_file_info(
                fs.FileSelector(folder, allow_not_found=True)
            )
        except OSError as error:
            raise StoreError(f"{self.where} cannot be read: {error}") from error
        return found

    def _is_whole(self, digest: str) -> bool:
        if not self._has(f"{digest}/{MANIFEST}"):
            return False
        try:
            return not self.read(digest).damaged
        except RingfenceError:
            return False

    def _has(self, path: str) -> bool:
        return bool(self._place.get_file_info(f"{self._root}/{path}").type == fs.FileType.File)

    def _write(self, path: str, content: bytes) -> None:
        """All of it or nothing, on stable storage on return where that is a folder's to say."""
        if not isinstance(self._place, fs.LocalFileSystem):
            with self._place.open_output_stream(path) as stream:
                stream.write(content)
            return
        part = Path(self._root) / f".{os.getpid()}-{Path(path).name}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _sync(self, *folders: str) -> None:
        """Make the names of new files durable."""
        if isinstance(self._place, fs.LocalFileSystem):
            for folder in folders:
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def read_folder(folder: Path) -> Artifact:
    """The artifact in a local folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one that `ringfence train` wrote")
    return read_artifact(fs.LocalFileSystem(), str(folder.absolute()))


def _is_digest(name: str) -> bool:
    return len(name) == 16 and set(name) <= _HEX
