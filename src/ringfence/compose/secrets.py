"""Secrets that settings hold, or name."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, overload

from ringfence.adapters.secrets import secret_of
from ringfence.ports.secrets import SCHEME
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.ports.secrets import SecretValue

__all__ = ["SCHEME", "secret", "with_store_password"]


@overload
def secret(text: str, stale_seconds: float = inf) -> SecretValue: ...
@overload
def secret(text: str | None, stale_seconds: float = inf) -> SecretValue | None: ...
def secret(text: str | None, stale_seconds: float = inf) -> SecretValue | None:
    """What a setting holds, or names as `secret://…`; `InputError` where it names none. It asks nothing.

    One that its place does not tell any more counts for `stale_seconds`.
    """
    return None if text is None else secret_of(text, stale_seconds=stale_seconds)


def with_store_password(address: str) -> str:
    """The address of the relational store with the password that is set for it, for one command."""
    password = secret(load_settings().store_password)
    if password is None:
        return address
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 (an extra)

    return make_conninfo(address, password=password.value())
