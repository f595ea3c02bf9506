"""The master keys of a vault, in a private file outside the data folder, and whom a copy may not bring back.

Who was erased stands here, too: a data folder that is restored from an older backup brings keys of persons
along, and the vault destroys them when it is opened.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from typing import TYPE_CHECKING, Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.errors import InputError, StoreError
from ringfence.masking import lettered

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT: Final = "ringfence vault keys 1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_LONGEST: Final = 256 << 20  # bytes of a file


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    keys: dict[str, str]  # base64 by name, the newest last
    erased: dict[str, int] = {}  # when, by person


class Keyring:
    """Master keys by name. Changes are on stable storage when a method returns."""

    def __init__(self, path: Path, kept: _Kept) -> None:
        self.path = path
        self._kept = kept
        self._ciphers = _ciphers(path, kept)

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file with one key; `InputError` where there is one already."""
        made = cls(path, _Kept(_FORMAT, {}))
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise InputError(f"{path} is there already: a key is never written over") from None
        except OSError as error:
            raise InputError(f"the master key cannot be kept in {path}: {error.strerror}") from error
        os.close(descriptor)
        made.add()
        return made

    @classmethod
    def read(cls, path: Path) -> Self:
        """From its file; `InputError` where that cannot be, which quotes nothing of it."""
        return cls(path, _read(path))

    @property
    def newest(self) -> str:
        """The name of the key that came last."""
        return next(reversed(self._kept.keys))

    @property
    def names(self) -> list[str]:
        """All keys, the newest last."""
        return list(self._kept.keys)

    def reload(self) -> None:
        """Take in what another process has changed."""
        self._kept = _read(self.path)
        self._ciphers = _ciphers(self.path, self._kept)

    @property
    def erased(self) -> dict[str, int]:
        """When persons were erased."""
        return self._kept.erased

    def add(self) -> str:
        """Another key, which wraps from now on; its name."""
        name = lettered(secrets.token_hex(4))
        key = secrets.token_bytes(_KEY_BYTES)
        keys = {**self._kept.keys, name: base64.b64encode(key).decode()}
        self._write(msgspec.structs.replace(self._kept, keys=keys))
        self._ciphers[name] = AESGCM(key)
        return name

    def keep_only(self, name: str) -> None:
        """Forget all other keys."""
        self._write(msgspec.structs.replace(self._kept, keys={name: self._kept.keys[name]}))
        self._ciphers = {name: self._ciphers[name]}

    def note_erased(self, persons: dict[str, int]) -> None:
        """These persons' keys may not come back."""
        self._write(msgspec.structs.replace(self._kept, erased={**self._kept.erased, **persons}))

    def wrap(self, name: str, key: bytes, about: str) -> bytes:
        """A key sealed by a master key; `InputError` where the file does not hold that."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher(name).encrypt(nonce, key, about.encode())

    def unwrap(self, name: str, wrapped: bytes, about: str) -> bytes:
        """Back from `wrap`; `InputError` where this file's keys did not seal it."""
        try:
            return self._cipher(name).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], about.encode())
        except InvalidTag:
            raise self._wrong(name) from None

    def _cipher(self, name: str) -> AESGCM:
        if name not in self._ciphers:
            self.reload()  # another process rotates
        if name not in self._ciphers:
            raise self._wrong(name)
        return self._ciphers[name]

    def _wrong(self, name: str) -> InputError:
        return InputError(
            f"the vault was sealed with master key {name}, which {self.path} does not hold: set vault_key to "
            "the file that was written when the vault was made, or its keys rotated last"
        )

    def _write(self, kept: _Kept) -> None:
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(kept)))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StoreError(f"the master keys in {self.path} cannot be written: {error.strerror}") from error
        self._kept = kept


def _read(path: Path) -> _Kept:
    try:
        if path.stat().st_size > _LONGEST:
            raise InputError(f"{path} is too large to be a file of master keys")
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except OSError as error:
        raise InputError(
            f"the master keys in {path} cannot be read ({error.strerror}). Restore your copy of the key file "
            f"to {path}, or correct vault_key. Without it nobody can read the originals, in backups either"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(
            f"{path} holds no master keys: vault_key names another file, or restore it from its copy"
        ) from None
    if kept.format != _FORMAT or not kept.keys:
        raise InputError(f"{path} holds no master keys that this version knows")
    return kept


def _ciphers(path: Path, kept: _Kept) -> dict[str, AESGCM]:
    return {name: AESGCM(_key(path, text)) for name, text in kept.keys.items()}


def _key(path: Path, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InputError(f"{path} holds a damaged master key: restore the file from its copy")
    return key
