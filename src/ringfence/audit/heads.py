"""The end of the chain, signed, and kept elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ringfence.audit.records import GENESIS
from ringfence.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX: Final = "ringfence audit head 1"


class Head(msgspec.Struct, frozen=True):
    """A chain up to a record: its number and hash. `trail` is the id that the chain was begun with."""

    trail: str
    number: int = 0
    hash: str = GENESIS

    @property
    def text(self) -> bytes:
        """What is signed."""
        return f"{_PREFIX}\n{self.trail}\n{self.number}\n{self.hash}\n".encode()


class Anchor(msgspec.Struct, frozen=True):
    """A head as it is kept elsewhere: with when it was the end, and a signature where there is a key."""

    head: Head
    time_ms: int
    key: str = ""
    signature: str = ""


class SigningKey:
    """An Ed25519 key that signs heads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def new(cls) -> Self:
        """Another one."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a PEM file (PKCS 8, no password); `InputError` where that cannot be."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise InputError(
                f"the signing key {path} cannot be read ({error.strerror}): `ringfence audit key --file "
                f"{path}` makes one"
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InputError(f"{path} holds no private key without a password, in PEM: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(f"{path} holds a key of another kind: heads are signed with Ed25519")
        return cls(key)

    @property
    def pem(self) -> bytes:
        """As `read` takes it."""
        form = serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    @property
    def public(self) -> str:
        """Its public half, in hex."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, head: Head) -> str:
        """The signature of a head, in hex."""
        return self._key.sign(head.text).hex()


class VerifyingKey(msgspec.Struct, frozen=True):
    """The public half of a signing key, in hex."""

    public: str

    def signed(self, head: Head, signature: str) -> bool:
        """Whether this key made a signature of this head."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public))
            key.verify(bytes.fromhex(signature), head.text)
        except (InvalidSignature, ValueError):
            return False
        return True
