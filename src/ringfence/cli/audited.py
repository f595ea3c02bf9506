"""Commands that go on record: what changes a data folder, or takes personal data out of it."""

from __future__ import annotations

import functools
import os
import pwd
import re
from contextlib import chdir, closing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec

import typer

from ringfence.access.keys import PREFIX
from ringfence.audit import Act
from ringfence.cli.terminal.light_options import folder
from ringfence.cli.terminal.screen import say
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import open_trail
from ringfence.errors import StoreError
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

P = ParamSpec("P")
ACTIONS: Final[Mapping[str, str]] = {
    "backup": "data.backed_up",
    "restore": "data.restored",
    "accept-loss": "data.loss_accepted",
    "trim": "data.trimmed",
    "retention": "data.trimmed",
    "decisions": "payment.listed",
    "decision": "payment.seen",
    "explain": "payment.explained",
    "sql": "data.asked",
    "serve": "server.started",
    "keys create": "key.created",
    "keys revoke": "key.revoked",
    "lists show": "list.seen",
    "lists add": "list.added",
    "lists remove": "list.removed",
    "lists import": "list.imported",
    "lists audit": "list.seen",
    "models import": "model.imported",
    "models remote": "model.imported",
    "models promote": "model.promoted",
    "models retire": "model.retired",
    "models retrain": "model.trained",
    "quarantine show": "quarantine.seen",
    "quarantine replay": "quarantine.replayed",
    "rules save": "rules.saved",
    "rules mode": "rules.mode_set",
    "rules approve": "rules.approved",
    "rules reject": "rules.rejected",
    "rules activate": "rules.activated",
    "rules rollback": "rules.rolled_back",
    "topics": "log.seen",
    "store load": "data.copied",
    "store rebuild": "data.copied",
    "store drop": "data.dropped",
    "followers pause": "follower.paused",
    "followers resume": "follower.resumed",
    "followers rebuild": "follower.rebuilt",
    "audit export": "audit.exported",
    "keys change": "key.changed",
    "approvals approve": "approval.given",
    "approvals decline": "approval.declined",
    "privacy init": "vault.made",
    "privacy find": "person.found",
    "privacy export": "person.exported",
    "privacy erase": "person.erased",
    "privacy reveal": "person.revealed",
    "privacy hold": "person.held",
    "privacy release": "person.released",
    "privacy holds": "person.listed",
    "privacy rotate": "vault.rotated",
    "privacy expire": "vault.expired",
    "bus subscribe": "bus.changed",
    "bus enable": "bus.changed",
    "bus pause": "bus.changed",
    "bus resume": "bus.changed",
    "bus remove": "bus.changed",
    "bus secret": "bus.changed",
    "outbox show": "message.seen",
    "outbox retry": "message.retried",
    "outbox purge": "message.purged",
    "alerts ack": "alert.acknowledged",
    "alerts list": "alert.listed",
    "alerts show": "alert.seen",
    "alerts mute": "alert.muted",
    "alerts mutes": "alert.listed",
    "alerts unmute": "alert.unmuted",
    "dynamodb create": "data.copied",
    "dynamodb load": "data.copied",
    "dynamodb get": "payment.seen",
    "land run": "data.copied",
    "land compact": "data.copied",
    "land expire": "data.dropped",
    "labels import": "label.imported",
    "followers forget": "follower.forgotten",
    "flink package": "data.exported",
    "flink run": "job.started",
    "flink activate": "rules.activated",
    "cases list": "case.listed",
    "graph neighbours": "entity.seen",
    "graph ring": "entity.seen",
    "graph rings": "entity.seen",
    "graph path": "entity.seen",
    "graph export": "data.exported",
    "graph cypher": "data.asked",
    "graph push": "data.exported",
    "views run": "data.asked",
    "views save": "view.saved",
    "views remove": "view.removed",
    "cases show": "case.seen",
    "cases next": "case.taken",
    "cases open": "case.opened",
    "cases report": "case.reported",
    "cases attach": "case.file_attached",
    "cases file": "case.file_seen",
} | {
    f"cases {act}": "case.acted_on"
    for act in (
        "approve", "assign", "close", "escalate", "merge", "move", "note", "reject", "release", "reopen",
        "snooze", "split", "unmerge", "wake",
    )
}  # fmt: skip
"""What a command is called on record: what changes a data folder, and what shows personal data of it."""

_NAMES = (
    "case_id",
    "name",
    "topic",
    "transaction_id",
    "record_id",
    "digest",
    "version",
    "key_id",
    "request_id",
    "rule",
    "model",
    "keep",
)
_FAILED = 1  # exit code


def put_on_record(group: typer.Typer, name: str) -> None:
    """Have every command of a group go on record, as `audited` does it."""
    for command in group.registered_commands:
        if command.callback is not None:
            own = command.name or command.callback.__name__
            command.callback = audited(f"{name} {own}", command.callback)


def audited(name: str, command: Callable[P, None]) -> Callable[P, None]:
    """A command that writes to the audit trail once it has ended, where `ACTIONS` names it.

    Only where it worked on a data folder of this machine: of what it asked a server to do, the server keeps
    the record.
    """
    if name not in ACTIONS:
        return command
    action = ACTIONS[name]

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        outcome = "failed"
        _TOLD.set(None)
        try:
            command(*args, **kwargs)
            outcome = "done"
        except typer.Exit as ended:
            outcome = "failed" if ended.exit_code == _FAILED else "done"
            raise
        finally:
            told = _TOLD.get()
            if kwargs.get("server") is None and not (told is not None and told.done):
                _record(action, outcome, kwargs, told)

    return wrapper


def actor() -> str:
    """Who runs this command, as the trail names it."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:{os.getuid()}"


class _Told(NamedTuple):
    """What a command says for its record; `done` once it is on record."""

    object: str
    details: dict[str, str]
    done: bool = False


_TOLD: Final[ContextVar[_Told | None]] = ContextVar("told", default=None)


def tell_record(named: str, **details: str) -> None:
    """Have this command's record say what its arguments do not, or may not: a token in place of a name."""
    _TOLD.set(_Told(named, details))


def record_first(data: Path | None, action: str, named: str, **details: str) -> None:
    """Put this command on record before it shows anything; `StoreError` where that cannot be."""
    act = Act(actor=actor(), channel="command", action=action, object=named, details=details)
    with closing(open_trail(folder(data))) as trail:
        trail.write([act], now_ms())
    _TOLD.set(_Told(named, details, done=True))


def _record(action: str, outcome: str, given: dict[str, Any], told: _Told | None) -> None:
    with chdir(given.get("project") or "."):
        where = folder(given.get("data")).absolute()
    if not _in_use(where):
        return
    named = next((str(given[name]) for name in _NAMES if given.get(name)), "") or _id_of(given.get("key"))
    if told is not None:
        named = told.object
    act = Act(
        actor=actor(),
        channel="command",
        action=action,
        object=mask_cards(named),
        outcome=outcome,
        details=told.details if told is not None else {},
    )
    try:
        with closing(open_trail(where)) as trail:
            trail.write([act], now_ms())
    except StoreError as error:  # who runs commands has the files, whatever the trail can keep
        say(f"Warning: this is not on record in the audit trail: {error}")


def _in_use(where: Path) -> bool:
    """Whether a folder holds anything; after a restore that failed, the next one has to find it empty."""
    try:
        return any(where.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # nobody may look into it: the trail says the same when it is opened
        return True


def _id_of(key: object) -> str:
    """The part of an API key that names it; nothing of what is secret."""
    found = re.match(rf"(?:{PREFIX}_)?([0-9a-f]{{8}})(?:_|$)", key) if isinstance(key, str) else None
    return found[1] if found else ""
