"""`ringfence trim` and `ringfence retention`: how long data is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from ringfence.cli.audited import tell_record
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import bring_up
from ringfence.compose.following.retention import TOPICS, Kept, Retention
from ringfence.errors import InputError
from ringfence.features.durations import parse_duration_ms
from ringfence.settings import FILE_NAME, load_settings


def trim(
    keep: Annotated[
        str, typer.Option(help="How much to keep, counted back from the newest event: 400d, 48h.")
    ],
    data: options.Data = None,
) -> None:
    """Delete old events and decisions for good.

    Only what every kept snapshot and every declared follower has taken goes (`ringfence followers list`), in
    whole batches, from the analysis tables too, and bad records received longer ago. What is forgotten can
    no longer be replayed or measured by new features; identifiers stay known, so that nothing is decided
    twice. Everything from the first payment of somebody under legal hold on stays.

    Example: ringfence trim --keep 400d
    """
    keep_ms = parse_duration_ms(keep)
    with open_store(options.folder(data)) as store:
        parts = dict.fromkeys((*TOPICS, "quarantine"), keep_ms)
        _show(Retention(store, now_ms).apply(parts), "forgotten")


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much it would delete, at least.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first; programs have to say so.")] = False,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Delete what is older than [retention] of ringfence.toml says, part by part; legal holds stay.

    Parts are topics of the log (events, decisions, flag_matches, drift, model_news, slo_news), quarantine,
    cases (what people wrote and attached in closed ones), alerts, messages (sent or given up), and originals
    in the vault by field (email, "attributes.holder_name") or by class (identifier, contact, name, address,
    text), counted from the person's last event. What is not named never expires. Only topics and quarantine
    need a data folder that nobody serves. Topics lose what followers have taken, so with --dry-run, which
    lets none take more, they may be told to lose less than they would.

    Example: ringfence retention --dry-run
    """
    keep = load_settings().retention
    if not keep:
        raise InputError(
            f'nothing is to be deleted: name parts and times in {FILE_NAME}, as [retention] cases = "1825d", '
            'email = "730d"'
        )
    if not (dry_run or yes) and not screen.asks():
        raise InputError(
            "nothing was deleted: it cannot be undone, and there is no terminal to ask at. Give --yes, or "
            "--dry-run to see what it would be"
        )
    parts = {part: parse_duration_ms(time_) for part, time_ in keep.items()}
    of_log = any(part in (*TOPICS, "quarantine") for part in parts)
    with open_store(options.folder(data), read_only=dry_run or not of_log) as store:
        if not dry_run and not yes:
            if any(part in TOPICS for part in parts):
                bring_up(store)  # or the question would name less than what goes
            _show(Retention(store, now_ms, dry=True).apply(parts), "would go")
            if not typer.confirm("Delete that? It cannot be undone.", err=True):
                screen.say("Nothing was deleted.")
                raise typer.Exit(1)
        work = Retention(store, now_ms, dry=dry_run)
        try:
            found = work.apply(parts)
        finally:
            gone = {one.part: str(one.gone) for one in work.found}
            tell_record("", **({"dry_run": "true"} if dry_run else gone))
    if json:
        screen.show_json([one._asdict() for one in found])
        return
    _show(found, "would go, at least" if dry_run else "gone")


def _show(found: list[Kept], gone: str) -> None:
    rows = [(one.part, one.gone, "" if one.left is None else one.left) for one in found]
    screen.show_table(["part", gone, "kept"], rows, [gone, "kept"])
    for one in found:
        if one.remark:
            screen.say(one.remark)
