"""`ringfence audit`: who did or saw what, and whether that record is whole."""

from __future__ import annotations

import csv
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from ringfence.audit import Anchor, RecordSpan, Trust, check_chain, compare
from ringfence.audit.records import SEALED
from ringfence.audit.trail import Trail
from ringfence.cli.audited import actor
from ringfence.cli.terminal.light_options import Data, Json, folder
from ringfence.cli.terminal.screen import csv_cell, format_time, say, show, show_json, show_table
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.audit import add_key, anchors_in, take_checkpoint
from ringfence.compose.folder.store import has_trail, open_store, open_trail
from ringfence.errors import InputError
from ringfence.settings import load_settings
from ringfence.store import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ringfence.audit import ChainFault, Record

app = typer.Typer(
    help="Who did or saw what: list, export, verify. The record is a chain that shows every later change.",
    no_args_is_help=True,
)
EXIT_BROKEN = 6
_BEFORE_ALL = -(1 << 63)
Actor = Annotated[
    str, typer.Option(help="Only what this actor did: key:ID, user:NAME, or a token's subject.")
]
Action = Annotated[
    str, typer.Option(help="Only this action, or all of a kind: list, rules, key, payment ...")
]
Since = Annotated[
    str | None, typer.Option(help="Only from then on: 2026-11-30 or 2026-11-30T08:00:00Z.", metavar="TIME")
]


@app.command("list")
def list_records(
    actor: Actor = "",
    action: Action = "",
    since: Since = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """List what was done or seen, the newest first.

    Example: ringfence audit list --action list
    """
    with _kept_trail(data) as trail:
        found = trail.newest(limit, actor=actor, action=action, since_ms=_time_ms(since))
    if json:
        show_json([_plain(record) for record in found])
        return
    rows = [
        (one.number, format_time(one.time_ms), one.act.actor, one.act.channel, one.act.action, one.act.object,
         one.act.outcome)
        for one in found
    ]  # fmt: skip
    show_table(["record", "time", "actor", "channel", "action", "object", "outcome"], rows, ["record"])


@app.command()
def export(
    form: Annotated[Literal["ndjson", "csv"], typer.Option("--format", help="One line a record.")] = "ndjson",
    actor: Actor = "",
    action: Action = "",
    since: Since = None,
    data: Data = None,
) -> None:
    """Write records to standard output, the oldest first, with their hashes.

    Example: ringfence audit export --since 2026-11-01 > audit.ndjson
    """
    with _kept_trail(data) as trail:
        found = trail.records(actor=actor, action=action, since_ms=_time_ms(since))
        if form == "ndjson":
            for record in found:
                show(msgspec.json.encode(_plain(record)).decode())
            return
        writer = csv.writer(sys.stdout, lineterminator="\n")
        names = (
            "number",
            "time",
            "actor",
            "channel",
            "action",
            "object",
            "outcome",
            "details",
            "previous",
            "hash",
        )
        writer.writerow(names)
        for record in found:
            plain = _plain(record)
            plain["details"] = msgspec.json.encode(plain["details"]).decode()
            writer.writerow([csv_cell(plain[name]) for name in names])


@app.command()
def verify(
    anchor: Annotated[
        Path | None,
        typer.Option(help="File of heads that were kept elsewhere: shows a cut or rewritten chain."),
    ] = None,
    first_key: Annotated[
        str, typer.Option(help="Public half of the first signing key, as `ringfence audit key` showed it.")
    ] = "",
    log: Annotated[bool, typer.Option(help="Read the log too, and compare it with what was sealed.")] = True,
    data: Data = None,
    json: Json = False,
) -> None:
    """Check the whole chain, its signatures, and that the log holds what it held when it was sealed.

    Without an anchor a chain that was cut at its end looks whole, unless the cut goes behind a checkpoint.
    Ends with exit code 6 where something is wrong, and names the first bad record.

    Example: ringfence audit verify --anchor /mnt/elsewhere/anchors.ndjson
    """
    settings = load_settings()
    kept = anchor
    if kept is None and settings.audit_anchor and "://" not in settings.audit_anchor:
        kept = Path(settings.audit_anchor)
    anchors = [] if kept is None else anchors_in(kept)
    with _kept_trail(data) as trail:
        head, findings = check_chain(
            trail.id, trail.records(after=_BEFORE_ALL), trail.checkpoints(), Trust(anchors, first_key)
        )
        keys, signed = trail.keys(), max(trail.checkpoints(), default=0)
        spans = (
            [span for one in trail.records(action=SEALED) if (span := RecordSpan.of(one.act))] if log else []
        )
    checked, gone = 0, 0
    if spans:
        with open_store(folder(data), read_only=True) as store:
            checked, gone, wrong = compare(store.log, spans)
        findings += [] if wrong is None else [wrong]
    _report(head.number, head.hash, signed, anchors, keys, checked, gone, findings, json=json)
    if findings:
        raise typer.Exit(EXIT_BROKEN)


@app.command()
def checkpoint(data: Data = None, json: Json = False) -> None:
    """Bring the log into the chain as far as followers have come, sign the head, and keep it elsewhere.

    `ringfence serve` does that by itself every `audit_every_ms`. The key is `audit_key`, and `audit_anchor`
    is where heads are kept: a file on another disk, or a URL.

    Example: ringfence audit checkpoint
    """
    settings = load_settings()
    with _trail(data) as trail:
        taken = take_checkpoint(trail, now_ms)
    if json:
        show_json(msgspec.to_builtins(taken))
        return
    said = "signed" if taken.signature else "not signed: set audit_key to the file of a key"
    kept = (
        f"kept at {settings.audit_anchor}" if settings.audit_anchor else "kept nowhere else: set audit_anchor"
    )
    show(f"Record {taken.head.number:,}, {taken.head.hash}")
    say(f"The head is {said}; it is {kept}.")


@app.command()
def key(
    file: Annotated[Path, typer.Option(help="New file for the private half; not in the data folder.")],
    before: Annotated[
        Path | None, typer.Option(help="File of the key before, which signs for the new one.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a key that signs checkpoints, or the next one.

    Note the public half where nobody who can write the data folder can change it: `audit verify --first-key`
    takes that of the first key, and each key signs for the one after it.

    Example: ringfence audit key --file ../audit-key.pem
    """
    where = folder(data)
    if where.resolve() in file.resolve().parents:
        raise InputError(f"{file} is inside the data folder: who takes the folder would have the key, too")
    with _trail(data) as trail:
        made = add_key(trail, file, actor(), now_ms(), before)
    if json:
        show_json({"public": made.public, "file": str(file)})
        return
    say(f"The private half is in {file}: set audit_key to it, and keep a copy elsewhere. The public half:")
    show(made.public)


def _report(
    number: int,
    digest: str,
    signed: int,
    anchors: list[Anchor],
    keys: list[str],
    checked: int,
    gone: int,
    findings: list[ChainFault],
    *,
    json: bool,
) -> None:
    if json:
        show_json(
            {
                "whole": not findings, "records": number, "head": digest, "signed_to": signed,
                "anchored_to": max((one.head.number for one in anchors), default=0), "keys": keys,
                "log_records_compared": checked, "log_records_trimmed": gone,
                "findings": msgspec.to_builtins(findings),
            }
        )  # fmt: skip
        return
    for found in findings:
        where = f"Record {found.record:,}: " if found.record else ""
        show(f"{where}{found.problem} ({found.kind})")
    if findings:
        return
    show(f"The chain is whole: {number:,} records, up to {digest}")
    if not signed:
        say("No checkpoint is signed: `ringfence audit key` makes a key, and audit_key names its file.")
    elif signed < number:
        say(f"Signed up to record {signed:,}.")
    if not anchors:
        say("No anchor was given: a chain that was cut at its end would look whole, too (--anchor FILE).")
    if checked:
        say(f"{checked:,} records of the log are what they were when they were sealed.")
    else:
        say("No record of the log was compared: none is sealed yet, or --no-log was given.")
    if gone:
        say(f"{gone:,} sealed records are gone by retention (`ringfence trim`) and cannot be compared.")


def _kept_trail(data: Path | None) -> AbstractContextManager[Trail]:
    """The trail of a folder that has a store or a trail: whoever only reads begins none."""
    where = folder(data)
    if where.is_dir() and not has_trail(where) and not (where / LOG).exists():
        raise InputError(
            f"{where} has neither a store nor an audit trail yet: run or serve something first, or name "
            "another (--data)"
        )
    return _trail(data)


@contextmanager
def _trail(data: Path | None) -> Iterator[Trail]:
    where = folder(data)
    if not where.is_dir():
        raise InputError(
            f"{where} is no data folder yet: run or serve something first, or name another (--data)"
        )
    with closing(open_trail(where)) as trail:
        yield trail


def _plain(record: Record) -> dict[str, Any]:
    act = msgspec.to_builtins(record.act)
    time = {"number": record.number, "time": format_time(record.time_ms), "time_ms": record.time_ms}
    return time | act | {"previous": record.previous, "hash": record.hash}


def _time_ms(text: str | None) -> int:
    if text is None:
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--since {text}: give a date or a time, such as 2026-11-30T08:00:00Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
