"""`ringfence backup`, `ringfence restore` and `ringfence verify-backup`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal import options, screen
from ringfence.cli.terminal.signals import sigterm_as_ctrl_c
from ringfence.compose.upkeep import backup as backups
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from ringfence.compose.upkeep.backup import BackupMade

_MIB = 1 << 20
Source = Annotated[
    str,
    typer.Argument(
        help="Folder that `ringfence backup` wrote, or one on S3; of s3://BUCKET/PREFIX the newest.",
        metavar="BACKUP",
    ),
]


def backup(
    target: Annotated[
        str,
        typer.Argument(
            help="New folder for the backup, or s3://BUCKET/PREFIX, below which it gets a name of its own.",
            metavar="DEST",
        ),
    ],
    data: options.Data = None,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot", help="The newest snapshot too: larger, and a restored server starts sooner."
        ),
    ] = False,
    spool: Annotated[
        Path | None,
        typer.Option(
            "--spool",
            help="Folder of the copy until S3 has it. [default: backup_spool, else beside the folder]",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Copy log, keys and models to a new folder or S3, also while a server is deciding, and check the copy.

    The copy is of one moment: every decision that was answered before the command began is in it. It is as
    secret as the data folder. DEST appears once all of it has been read back; a log that was trimmed takes
    its snapshot along. What can be made again (tables, index) is left out, and your project's files
    (ringfence.toml, features.py, rules.yaml) are yours to keep.

    Example: ringfence backup /backup/2024-05-01
    """
    with sigterm_as_ctrl_c(), screen.progress("backing up") as tell:
        made = backups.back_up(options.folder(data), target, tell, with_snapshot=snapshot, spool=spool)
    how = "every file read back" if made.address == target else "every file checked as it arrived"
    _show(made, f"in {made.address}, {how}", json=json)
    if not json:
        screen.show(f"To restore: ringfence restore {made.address} --data NEW_FOLDER")


def restore(source: Source, data: options.Data = None, json: options.Json = False) -> None:
    """Restore a backup into a data folder that holds no store yet. Every file is checked.

    What came after the backup can be read or sent again: what it has already is passed over.

    Example: ringfence restore /backup/2024-05-01 --data ringfence-data
    """
    folder = options.folder(data)
    with screen.progress("restoring") as tell:
        found = backups.restore(source, folder, tell)
    _show(found, f"of {_moment(found)}, restored to {folder}", json=json)


def verify_backup(source: Source, json: options.Json = False) -> None:
    """Read every file of a backup and check it, keeping nothing: what `ringfence restore` would find.

    Example: ringfence verify-backup s3://backups/ringfence
    """
    with screen.progress("checking") as tell:
        found = backups.verify(source, tell)
    _show(found, f"of {_moment(found)}, every file of {found.address} is what it was", json=json)


def _moment(found: BackupMade) -> str:
    return f"{datetime.fromtimestamp(found.backup.created_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _show(found: BackupMade, where: str, *, json: bool) -> None:
    for remark in found.remarks:
        screen.say(f"Warning: {remark}")
    backup = found.backup
    if json:
        ends = {topic: end for topic, (_, end) in backup.topics.items()}
        told = {"store_id": backup.store_id, "topics": ends, "bytes": backup.nbytes}
        told |= {"files": len(backup.files), "address": found.address, "created_ms": backup.created_ms}
        screen.show_json(told)
        return
    events, decisions = (backup.topics.get(topic, (0, 0)) for topic in (EVENTS, DECISIONS))
    screen.show(
        f"{events[1] - events[0]:,} events and {decisions[1] - decisions[0]:,} decisions, "
        f"{backup.nbytes / _MIB:,.1f} MiB, {where}",
        "bold",
    )
