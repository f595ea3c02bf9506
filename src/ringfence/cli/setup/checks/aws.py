"""What of AWS the settings name: it answers, is there, and lets this user in."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State
from ringfence.compose.followers import audit_table
from ringfence.compose.secrets import SCHEME, secret
from ringfence.compose.store import open_store
from ringfence.errors import RingfenceError
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
