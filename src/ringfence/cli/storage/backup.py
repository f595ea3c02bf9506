"""`ringfence backup` and `ringfence restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.terminal import options, screen
from ringfence.compose.backup import back_up
from ringfence.compose.backup import restore as put_back
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from ringfence.ports.backup import Backup

_MIB = 1 << 20


def backup(
    target: Annotated[Path, typer.Argument(help="New folder for the backup.", metavar="DEST")],
    data: options.Data = None,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot", help="The newest snapshot too: larger, and a restored server starts sooner."
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Copy log, keys and models to a new folder, also while a server is deciding, and check the copy.

    The copy is of one moment: every decision that was answered before the command began is in it. It is as
    secret as the data folder. DEST appears once all of it has been read back; a log that was trimmed takes
    its snapshot along. What can be made again (tables, index) is left out, and your project's files
    (ringfence.toml, features.py, rules.yaml) are yours to keep.

    Example: ringfence backup /backup/2024-05-01
    """
    with screen.progress("backing up") as tell:
        made, remarks = back_up(options.folder(data), target, tell, with_snapshot=snapshot)
    for remark in remarks:
        screen.say(f"Warning: {remark}")
    _show(made, f"in {target}, every file read back", json=json)
    if not json:
        screen.show(f"To restore: ringfence restore {target} --data NEW_FOLDER")


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `ringfence backup` wrote.", metavar="BACKUP")],
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Restore a backup into a data folder that holds no store yet. Every file is checked.

    What came after the backup can be read or sent again: what it has already is passed over.

    Example: ringfence restore /backup/2024-05-01 --data ringfence-data
    """
    folder = options.folder(data)
    with screen.progress("restoring") as tell:
        found = put_back(source, folder, tell)
    _show(found, f"restored to {folder}", json=json)


def _show(found: Backup, where: str, *, json: bool) -> None:
    if json:
        ends = {topic: end for topic, (_, end) in found.topics.items()}
        screen.show_json(
            {"store_id": found.store_id, "topics": ends, "bytes": found.nbytes, "files": len(found.files)}
        )
        return
    events, decisions = (found.topics.get(topic, (0, 0)) for topic in (EVENTS, DECISIONS))
    screen.show(
        f"{events[1] - events[0]:,} events and {decisions[1] - decisions[0]:,} decisions, "
        f"{found.nbytes / _MIB:,.1f} MiB, {where}",
        "bold",
    )
