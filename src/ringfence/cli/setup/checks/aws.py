"""What of AWS the settings name: it answers, is there, and lets this user in."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import audit_table
from ringfence.compose.secrets import SCHEME, secret
from ringfence.compose.upkeep.backup import OVERDUE_MS, newest_at, schedule
from ringfence.errors import InputError, RingfenceError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SETTINGS: Final = ("store_password", "smtp_password", "slack_token", "slack_signing_secret")
_VARIABLES: Final = (
    *("RINGFENCE_SERVE_TOKEN_SECRET", "RINGFENCE_SERVE_OIDC_CLIENT_SECRET", "RINGFENCE_MODEL_KEY"),
)


def named_secrets() -> Iterator[Check]:
    """Each secret that a setting names can be read; what it is stays unsaid."""
    settings = load_settings()
    told = {name: getattr(settings, name) for name in _SETTINGS}
    told |= {name: os.environ.get(name) for name in _VARIABLES}
    for name, text in told.items():
        if text is None or not text.startswith(SCHEME):
            continue
        try:
            found = secret(text)
            assert found is not None
            found.value()
        except RingfenceError as error:
            yield Check(f"secret {name}", State.BAD, str(error))
        else:
            yield Check(f"secret {name}", State.FINE, f"{text} can be read")


def tables(folder: Path) -> Iterator[Check]:
    """The table of audit items is there, with the keys that it has to have."""
    table = load_settings().dynamodb_table
    if table is None or not folder.exists():
        return
    try:
        with open_store(folder, read_only=True) as store, closing(audit_table(store)) as follower:
            at = follower.positions()["decisions"]
    except RingfenceError as error:
        yield Check("dynamodb", State.BAD, str(error))
        return
    yield Check("dynamodb", State.FINE, f"table {table} has what was decided before offset {at:,}")


def backups(folder: Path, now_ms: int) -> Iterator[Check]:
    """The newest backup that is made by the clock is there and not late; of a new store none has to be."""
    planned = schedule()
    if planned is None or not folder.exists():
        return
    with open_store(folder, read_only=True) as store:
        created_ms, store_id = store.meta.created_ms, store.meta.store_id
    said, latest_ms = "", created_ms
    try:
        address, latest_ms = newest_at(planned.to, store_id)
        said = f"the newest is {address}"
    except InputError as error:  # there is none
        said = str(error)
    except RingfenceError as error:
        yield Check("backups", State.BAD, str(error))
        return
    late_ms = now_ms - latest_ms - planned.every_ms
    if late_ms > OVERDUE_MS:
        remedy = f"See why in the log of the server, or make one: `ringfence backup {planned.to}`."
        yield Check("backups", State.BAD, f"{said}: {late_ms // 3_600_000} hours late", remedy)
    else:
        yield Check("backups", State.NOTE if latest_ms == created_ms else State.FINE, said)
