"""`ringfence privacy`: what is held on somebody, shown, kept or erased."""

from __future__ import annotations

import os
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ringfence.cli.audited import actor, record_first, tell_record
from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import asks, format_time, say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.privacy import begin_vault, check_begun, open_vault, privacy_desk
from ringfence.compose.folder.store import open_store
from ringfence.errors import InputError
from ringfence.events.personal_names import PersonalClass
from ringfence.events.privacy.masked_originals import masked
from ringfence.events.privacy.personal import TOKEN
from ringfence.events.values.durations import parse_delay_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.desks.privacy import PrivacyDesk
    from ringfence.ports.vault import Held
    from ringfence.store import DataFolder

app = typer.Typer(
    help="Personal data: find, export and erase somebody's data; the vault and its keys.",
    no_args_is_help=True,
)
Customer = Annotated[
    str,
    typer.Argument(
        help="Id of the customer, account:ID, FIELD=VALUE (email=ada@mail.example), or a token (pd_...).",
        metavar="CUSTOMER",
    ),
]
Reason = Annotated[str, typer.Option(help="Why, in 5 to 500 characters; it goes on record.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask first; programs have to say so.")]


class ExpiringClass(StrEnum):
    """Classes of data of which originals are kept."""

    IDENTIFIER = PersonalClass.IDENTIFIER
    CONTACT = PersonalClass.CONTACT
    NAME = PersonalClass.NAME
    ADDRESS = PersonalClass.ADDRESS
    TEXT = PersonalClass.TEXT


@app.command()
def init(data: Data = None) -> None:
    """Make the vault of a new data folder, and its master key in the file that vault_key names.

    Keep a copy of that file elsewhere: without it no original can be read, from no backup.

    Example: ringfence privacy init
    """
    where = folder(data)
    with open_store(where) as store:
        path = begin_vault(store)
    say(f"{where} keeps tokens for personal data. The master key is in {path}: keep a copy elsewhere.")


@app.command()
def find(customer: Customer, data: Data = None, json: Json = False) -> None:
    """Say what is held on somebody, with masked values.

    Example: ringfence privacy find C-17

    Example: ringfence privacy find email=ada@mail.example
    """
    with _desk(data) as desk:
        found = desk.find(customer)
    tell_record(found.person)
    is_held = found.hold is not None and found.hold.person == found.person
    rows = [
        (
            one.kind.value, ", ".join(one.fields), masked(one.kind, one.value), one.token,
            format_time(one.seen_ms), _until(one, is_held=is_held),
        )
        for one in found.originals
    ]  # fmt: skip
    counts = {"events": len(found.events), "decisions": len(found.decisions)} | {
        name: len(rows) for name, rows in found.elsewhere.items()
    }
    if json:
        originals = [
            {
                "kind": kind, "fields": list(one.fields), "masked": shown, "token": token, "seen": seen,
                "kept_until": None if one.until_ms is None else format_time(one.until_ms),
            }
            for one, (kind, _, shown, token, seen, _) in zip(found.originals, rows, strict=True)
        ]  # fmt: skip
        show_json(
            {
                "person": found.person, "hold": msgspec.to_builtins(found.hold), "held": counts,
                "erased": msgspec.to_builtins(found.erased), "originals": originals,
            }
        )  # fmt: skip
        return
    show(f"{found.kind} {found.person}")
    show_table(["class", "field", "value", "token", "first seen", "kept until"], rows)
    show(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    if found.hold is not None:
        whose = "" if found.hold.person == found.person else f" of {found.hold.person}"
        say(f"Under legal hold{whose} since {format_time(found.hold.since_ms)}: {found.hold.reason}")
    for one in found.erased:
        say(f"Erased {format_time(one.at_ms)} by {one.by}: {one.reason}")


@app.command()
def export(
    customer: Customer,
    out: Annotated[Path, typer.Option(help="New file for all of it, as JSON; only you may read it.")],
    reason: Reason = "to answer their request",
    data: Data = None,
) -> None:
    """Write everything that is held on somebody to a file, originals included: the answer to their request.

    The originals count as revealed.

    Example: ringfence privacy export C-17 --out C-17.json
    """
    with _desk(data) as desk:
        tell_record("", reason=desk.tokenizer.clean(reason))
        found = desk.export(customer, actor(), reason)
        tell_record(found.person, reason=desk.tokenizer.clean(reason))
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(found)))
    except FileExistsError:
        raise InputError(f"{out} is there already, and nothing is overwritten: name a new file") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    say(
        f"{len(found.originals):,} originals, {len(found.events):,} events, "
        f"{len(found.decisions):,} decisions."
    )


@app.command()
def erase(
    customer: Customer, reason: Reason, yes: Sure = False, data: Data = None, json: Json = False
) -> None:
    """Destroy somebody's key and what people wrote about them. It cannot be undone.

    Log, analysis tables, database and graph keep their tokens, so that sums, replay and audit stay as they
    are, and nothing says whose they were.

    Example: ringfence privacy erase C-17 --reason "request of 2026-11-30"
    """
    _check_sure(yes, "erased")
    with _desk(data) as desk:
        if not yes:
            who = desk.questions.who(customer)
            tell_record(who.person, reason=desk.tokenizer.clean(reason))
            count = len(desk.vault.of_persons(who.own | who.texts))
            _ask(f"Erase {who.person}: {count:,} originals, and what people wrote about them in cases?")
        begun_ms = now_ms()
        done = desk.erase(customer, actor(), reason)
        tell_record(done.person, reason=desk.tokenizer.clean(reason))
        before = [one for one in desk.vault.erasures([done.person]) if one.at_ms < begun_ms]
    if json:
        show_json(msgspec.to_builtins(done))
        return
    if before and not done.originals and not any(done.elsewhere.values()):
        at = format_time(before[0].at_ms)
        say(f"{done.person} was erased already on {at}; nothing was left to erase.")
        return
    told = ", ".join(f"{count:,} {name}" for name, count in done.elsewhere.items())
    say(f"{done.person} is erased: {done.originals:,} originals" + (f", {told}." if told else "."))


@app.command()
def reveal(
    token: Annotated[str, typer.Argument(help="As pages show it: pd_...", metavar="TOKEN")],
    reason: Reason,
    data: Data = None,
) -> None:
    """Show the original behind a token. That goes on record, and only so many an hour are shown.

    Example: ringfence privacy reveal pd_4f0d... --reason "call back on case C-7"
    """
    with _desk(data) as desk:
        tell_record(token if TOKEN.fullmatch(token) else "", reason=desk.tokenizer.clean(reason))
        found = desk.reveal(token, actor(), reason)
        record_first(data, "person.revealed", found.token, reason=desk.tokenizer.clean(reason))
    show(found.value)


@app.command()
def hold(customer: Customer, reason: Reason, data: Data = None) -> None:
    """Put somebody under legal hold: an erasure is refused, and retention passes them over.

    Example: ringfence privacy hold C-17 --reason "court order 12/2026"
    """
    with _desk(data) as desk:
        made = desk.hold(customer, actor(), reason)
    tell_record(made.person, reason=made.reason)
    say(f"{made.person} is under legal hold.")


@app.command()
def release(customer: Customer, data: Data = None) -> None:
    """End a legal hold.

    Example: ringfence privacy release C-17
    """
    with _desk(data) as desk:
        person = desk.release(customer)
    tell_record(person)
    say(f"{person} is no longer under legal hold.")


@app.command()
def holds(data: Data = None, json: Json = False) -> None:
    """List who is under legal hold.

    Example: ringfence privacy holds
    """
    with _desk(data) as desk:
        found = desk.vault.holds()
    if json:
        show_json(msgspec.to_builtins(found))
        return
    show_table(
        ["person", "since", "by", "reason"],
        [(one.person, format_time(one.since_ms), one.by, one.reason) for one in found],
    )


@app.command()
def rotate(
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget older master keys: no older backup of the vault opens.")
    ] = False,
    yes: Sure = False,
    data: Data = None,
) -> None:
    """Wrap all keys of the vault by a new master key, while a server runs.

    Example: ringfence privacy rotate
    """
    if forget:
        _check_sure(yes, "forgotten")
    with _store(data) as store:
        vault = open_vault(store)
        try:
            if forget and not yes:
                _ask("Forget all master keys but a new one? No backup of the vault of before opens then.")
            name, count = vault.rotate(forget=forget)
        finally:
            vault.close()
    tell_record(name)
    say(f"{count:,} keys are wrapped by master key {name}. Copy the file of keys again.")


@app.command()
def expire(
    kind: Annotated[list[ExpiringClass], typer.Option("--class", help="Classes of data; repeat it.")],
    older: Annotated[
        str,
        typer.Option(
            "--older",
            help="Only originals first stored longer ago than this, such as 730d.",
            metavar="TIME",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would delete.")] = False,
    yes: Sure = False,
    data: Data = None,
) -> None:
    """Forget originals that have been kept long enough; tokens stay. Legal holds are passed over.

    Example: ringfence privacy expire --class text --class address --older 730d
    """
    _check_sure(yes or dry_run, "deleted")
    before_ms, kinds = now_ms() - parse_delay_ms(older), [PersonalClass(one) for one in kind]
    with _desk(data) as desk:
        if dry_run or not yes:
            count, persons = desk.expiring(kinds, before_ms)
            what = f"{count:,} originals of {persons:,} persons, first stored before {format_time(before_ms)}"
            if dry_run:
                tell_record("", dry_run="true")
                say(f"It would delete {what}. Nothing was deleted.")
                return
            _ask(f"Delete {what}?")
        count = desk.expire(kinds, before_ms)
    say(f"{count:,} originals were deleted.")


def _until(one: Held, *, is_held: bool) -> str:
    """Until when an original is kept, empty where no setting ends that."""
    if one.until_ms is None:
        return ""
    return "legal hold" if is_held else format_time(one.until_ms)


@contextmanager
def _desk(data: Path | None) -> Iterator[PrivacyDesk]:
    with _store(data) as store, privacy_desk(store, now_ms) as desk:
        yield desk


@contextmanager
def _store(data: Path | None) -> Iterator[DataFolder]:
    where = folder(data)
    check_begun(where)
    with open_store(where, read_only=True) as store:
        yield store


def _check_sure(sure: bool, done: str) -> None:
    """`InputError` where nobody can be asked about what cannot be undone."""
    if not sure and not asks():
        raise InputError(
            f"nothing was {done}: it cannot be undone, and there is no terminal to ask at. Give --yes"
        )


def _ask(question: str) -> None:
    if not typer.confirm(f"{question} It cannot be undone.", err=True):
        say("Nothing was changed.")
        raise typer.Exit(1)
