"""What PostgreSQL refuses, with the remedy; a password is never repeated."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from ringfence.errors import InputError, StoreError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL: Final = (errors.DiskFull, errors.OutOfMemory)
_REMEDIES: Final[tuple[tuple[tuple[type[psycopg.Error], ...], str], ...]] = (  # the first that fits
    (_FULL, "Make room there: it goes on by itself"),
    ((errors.InsufficientPrivilege,), "The role must own the schema: `ringfence store init` says how"),
    ((errors.TooManyConnections,), "It is tried again"),
    (
        (errors.InvalidPassword, errors.InvalidAuthorizationSpecification),
        "Check the user and its password (PGPASSWORD or ~/.pgpass)",
    ),
    (
        (errors.WrongObjectType, errors.InvalidTableDefinition, errors.DuplicateTable),
        "Somebody else's thing has that name in the schema ringfence: rename it or drop it, and try again",
    ),
    (
        (errors.DependentObjectsStillExist,),
        "Somebody else's view is made of it: drop that first",
    ),
    ((errors.InvalidCatalogName,), "Create the database first: createdb NAME"),
    (
        (errors.UndefinedTable, errors.InvalidSchemaName),
        "There is no store of this version: `ringfence store init` makes it",
    ),
    ((psycopg.OperationalError,), "Is the server up, and the address right?"),
)
_AT_THE_DOOR: Final = (  # a connection that is refused has no code, only the server's words
    ("too many connections", errors.TooManyConnections),
    ("remaining connection slots", errors.TooManyConnections),
    ("password", errors.InvalidPassword),
    ("pg_hba.conf", errors.InvalidAuthorizationSpecification),
    ("role", errors.InvalidAuthorizationSpecification),
    ("database", errors.InvalidCatalogName),
)
_UNUSABLE: Final = (
    "give it as postgresql://USER@HOST:5432/DATABASE, with the password in PGPASSWORD or ~/.pgpass"
)


def target_of(url: str) -> str:
    """Where an address leads, for people: without a password.

    >>> target_of("postgresql://bank:secret@db.example:5433/fraud")
    'bank@db.example:5433/fraud'

    `InputError` for an address that PostgreSQL does not understand.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message repeats the address
        raise InputError(f"the address of the relational store cannot be read: {_UNUSABLE}") from None
    user = f"{parts['user']}@" if parts.get("user") else ""
    host = str(parts.get("host") or "/")
    where = "local socket" if host.startswith("/") else host
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{user}{where}{port}/{parts.get('dbname') or ''}"


@contextmanager
def explained(url: str) -> Iterator[None]:
    """`StoreError` with the remedy for whatever PostgreSQL refuses in here."""
    where = target_of(url)
    try:
        yield
    except psycopg.Error as error:
        raise explain(error, where) from None
    except DBAPIError as error:  # the same, from a migration
        if not isinstance(error.orig, psycopg.Error):
            raise
        raise explain(error.orig, where) from None


def explain(error: psycopg.Error, where: str) -> StoreError:
    """The error of a statement or a connection in Ringfence's words."""
    told = _first_line(error)
    _, refused, why = told.partition("FATAL:")
    kind = type(error)
    if refused:
        told = why.strip()
        kind = next((kind for words, kind in _AT_THE_DOOR if words in told), kind)
    for kinds, remedy in _REMEDIES:
        if issubclass(kind, kinds):
            full = kinds == _FULL
            return (StoreFullError if full else StoreError)(f"{where}: {told}. {remedy}")
    return StoreError(f"{where}: {told}")


def _first_line(error: psycopg.Error) -> str:
    if error.diag.message_primary:
        return error.diag.message_primary
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
