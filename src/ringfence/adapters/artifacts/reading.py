"""An artifact folder, checked byte by byte before anything in it is used."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pyarrow import fs

from ringfence.errors import InputError, ScorerError
from ringfence.scoring.manifest import FILES, MANIFEST, MODEL, Manifest, digest_of, file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_BYTES: Final = 512 << 20
"""Of one file."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The content of a folder that is what its manifest says."""

    manifest: Manifest
    digest: str
    files: Mapping[str, bytes]  # with the manifest itself

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an `.npz` file of it."""
        try:
            with np.load(io.BytesIO(self.files[name]), allow_pickle=False) as found:
                return {each: found[each] for each in found.files}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ScorerError(
                f"{name} of model {self.digest} holds no plain arrays: train the model again"
            ) from error


def read_artifact(place: fs.FileSystem, folder: str, expected: str | None = None) -> Artifact:
    """The artifact in a folder. `expected` is the digest under which it is kept.

    `InputError` where there is none; `ScorerError` for a file that was changed, is missing, or has no
    business there: a pickle, for one.
    """
    names = _names(place, folder)
    if MANIFEST not in names:
        raise InputError(f"{folder} holds no {MANIFEST}: name a folder that `ringfence train` wrote")
    text = _read(place, folder, MANIFEST)
    digest = digest_of(text)
    if expected is not None and digest != expected:
        raise ScorerError(f"{MANIFEST} of model {expected} was changed: import the original artifact again")
    manifest = Manifest.from_json(text)
    for name in sorted(names - {MANIFEST}):
        if name not in FILES:
            raise ScorerError(f"{folder} holds {name!r}, which no model needs: nothing of it is loaded")
        if name not in manifest.files:
            raise ScorerError(f"{folder} holds {name!r}, which its manifest does not know: take it away")
    for name in (*manifest.files, *(() if manifest.algorithm == "remote" else (MODEL,))):
        if name not in names or name not in manifest.files:
            raise ScorerError(f"{name!r} of model {digest} is missing: import the whole artifact again")
    files = {name: _read(place, folder, name) for name in manifest.files}
    for name, content in files.items():
        if file_digest(content) != manifest.files[name]:
            raise ScorerError(f"{name!r} of model {digest} was changed: import the original artifact again")
    return Artifact(manifest, digest, {**files, MANIFEST: text})


def _names(place: fs.FileSystem, folder: str) -> set[str]:
    return {info.base_name for info in place.get_file_info(fs.FileSelector(folder, allow_not_found=True))}


def _read(place: fs.FileSystem, folder: str, name: str) -> bytes:
    path = f"{folder}/{name}"
    try:
        if (place.get_file_info(path).size or 0) > MOST_BYTES:
            raise ScorerError(f"{path} is larger than {MOST_BYTES >> 20} MiB: that is no model")
        with place.open_input_stream(path) as stream:
            content: bytes = stream.read()
    except OSError as error:
        raise ScorerError(f"{path} cannot be read: {error}") from error
    return content
