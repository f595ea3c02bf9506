"""An artifact folder, checked byte by byte before anything in it is used."""

from __future__ import annotations

from typing import Final

from pyarrow import fs

from ringfence.errors import InputError, ScorerError
from ringfence.scoring.artifacts.artifact import Artifact
from ringfence.scoring.artifacts.manifest import (
    FILES,
    FOR_PEOPLE,
    MANIFEST,
    MODEL,
    Manifest,
    digest_of,
    file_digest,
)

MOST_BYTES: Final = 512 << 20
"""Of one file."""


def read_artifact(place: fs.FileSystem, folder: str, expected: str | None = None) -> Artifact:
    """The artifact in a folder. `expected` is the digest under which it is kept.

    `InputError` where there is none; `ScorerError` for a file that was changed, is missing, or has no
    business there: a pickle, for one. Of an artifact that is kept, a report that was changed is left out, and
    what has no business there is not looked at: neither may keep payments from being decided.
    """
    names, kept = _names(place, folder), expected is not None
    if MANIFEST not in names:
        raise InputError(f"{folder} holds no {MANIFEST}: name a folder that `ringfence train` wrote")
    text = _read(place, folder, MANIFEST)
    digest = digest_of(text)
    if expected is not None and digest != expected:
        raise ScorerError(f"{MANIFEST} of model {expected} was changed: import the original artifact again")
    manifest = Manifest.from_json(text)
    if not kept:
        _check_names(folder, names, manifest)
    files, damaged = {MANIFEST: text}, []
    for name in (*manifest.files, *(() if manifest.algorithm == "remote" else (MODEL,))):
        try:
            files[name] = _checked(place, folder, name, manifest.files.get(name), digest)
        except ScorerError:
            if not kept or name not in FOR_PEOPLE:
                raise
            damaged.append(name)
    return Artifact(manifest, digest, files, tuple(damaged))


def _check_names(folder: str, names: set[str], manifest: Manifest) -> None:
    for name in sorted(names - {MANIFEST}):
        if name not in FILES:
            raise ScorerError(f"{folder} holds {name!r}, which no model needs: nothing of it is loaded")
        if name not in manifest.files:
            raise ScorerError(f"{folder} holds {name!r}, which its manifest does not know: take it away")


def _checked(place: fs.FileSystem, folder: str, name: str, expected: str | None, digest: str) -> bytes:
    if expected is None or place.get_file_info(f"{folder}/{name}").type == fs.FileType.NotFound:
        raise ScorerError(f"{name!r} of model {digest} is missing: import the whole artifact again")
    content = _read(place, folder, name)
    if file_digest(content) != expected:
        raise ScorerError(f"{name!r} of model {digest} was changed: import the original artifact again")
    return content


def _names(place: fs.FileSystem, folder: str) -> set[str]:
    try:
        return {info.base_name for info in place.get_file_info(fs.FileSelector(folder, allow_not_found=True))}
    except OSError as error:
        raise ScorerError(f"{folder} cannot be read: {error}") from error


def _read(place: fs.FileSystem, folder: str, name: str) -> bytes:
    path = f"{folder}/{name}"
    try:
        if (place.get_file_info(path).size or 0) > MOST_BYTES:
            raise ScorerError(f"{path} is larger than {MOST_BYTES >> 20} MiB: that is no model")
        with place.open_input_stream(path) as stream:
            content: bytes = stream.read()
    except OSError as error:
        raise ScorerError(f"{path} cannot be read ({error}): import the original artifact again") from error
    return content
