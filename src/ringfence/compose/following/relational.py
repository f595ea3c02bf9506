"""What is done with the relational store from outside its follower. Its libraries are an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.compose.following.followers import store_address
from ringfence.compose.secrets import with_store_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.relational.check import ComparedStore
    from ringfence.ports import EventLog


def compare_with_log(to: str | None, log: EventLog, tell: Callable[[int, int], None]) -> ComparedStore:
    """Counts and sums of the store against those of the log, day by day."""
    address = store_address(to)
    from ringfence.adapters.relational.check import check  # noqa: PLC0415 (an extra)

    return check(with_store_password(address), log, tell)


def shown_address(to: str | None) -> str:
    """Where the store is, without a password."""
    address = store_address(to)
    from ringfence.adapters.relational.problems import target_of  # noqa: PLC0415 (an extra)

    return target_of(address)


def upgrade_schema(to: str | None) -> tuple[list[str], str]:
    """Make the schema, or bring it to this version of Ringfence: remarks, and the version."""
    address = store_address(to)
    from ringfence.adapters.relational import migrate  # noqa: PLC0415 (an extra)

    return list(migrate.upgrade(with_store_password(address))), migrate.newest()


def check_schema(to: str | None) -> None:
    """`StoreError` unless the schema is of this version: rows of another one are not to be trusted."""
    address = store_address(to)
    from ringfence.adapters.relational import migrate  # noqa: PLC0415 (an extra)

    migrate.check_version(with_store_password(address))


def drop_schema(to: str | None) -> None:
    """Remove the schema with everything in it."""
    address = store_address(to)
    from ringfence.adapters.relational import migrate  # noqa: PLC0415 (an extra)

    migrate.drop(with_store_password(address))
