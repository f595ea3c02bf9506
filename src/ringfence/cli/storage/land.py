"""`ringfence land`: events and decisions as files of a data lake."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from ringfence.cli.terminal.light_options import Data, folder
from ringfence.cli.terminal.screen import progress, say, show
from ringfence.compose.folder.store import open_store
from ringfence.compose.following.followers import check_restored, landing_address, landing_zone
from ringfence.compose.following.landing import compact_zone, expire_zone, zone_statements
from ringfence.features.durations import parse_duration_ms
from ringfence.follow.pump import advance
from ringfence.ports import DECISIONS, EVENTS

app = typer.Typer(
    help="The landing zone: events and decisions as files of a data lake, in a folder or on S3.",
    no_args_is_help=True,
)
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="A folder, or s3://BUCKET/PREFIX (credentials as for the AWS CLI). [default: landing_url of "
        "ringfence.toml]",
        envvar="RINGFENCE_LANDING_URL",
        metavar="ADDRESS",
        show_default=False,
        show_envvar=False,
    ),
]


@app.command()
def run(
    data: Data = None,
    to: To = None,
    again: Annotated[bool, typer.Option("--again", help="Empty the zone and land everything anew.")] = False,
) -> None:
    """Land what the log has gained, once; `ringfence serve` and `ringfence follow` keep doing it.

    Calling it again changes nothing: files are named after the offsets that they cover, and created only
    where their name is free. Quarantined records land under faulty/ with their reasons.

    Example: ringfence land run --to landing
    """
    with (
        open_store(folder(data), read_only=True) as store,
        closing(landing_zone(store, to)) as target,
        progress("landing") as tell,
    ):
        if again:
            target.reset()
        check_restored(store.folder, target)
        total = sum(store.log.end_offset(topic) for topic in target.topics)
        for topic in target.topics:
            while advance(store.log, target, topic, 1):
                tell(sum(target.positions().values()), total, "")
        faulty = target.land_faulty()
        ends = target.positions()
    say(
        f"{landing_address(to)} holds {ends[EVENTS]:,} events and {ends[DECISIONS]:,} decisions; "
        f"{faulty:,} more quarantined records landed."
    )


@app.command()
def compact(
    to: To = None, older: Annotated[str, typer.Option(help="Days that ended so long ago.")] = "1h"
) -> None:
    """Make one Parquet file of the small ones of each day that is over.

    The follower does so itself once an hour. Rows keep their offsets. While a day is being done, a reader may
    see its rows twice for a moment, never less than all of them.

    Example: ringfence land compact
    """
    done = compact_zone(to, _day_before(older))
    say(f"{done.days:,} days: {done.removed:,} files became {done.made:,}.")


@app.command()
def expire(
    keep: Annotated[str, typer.Option(help="How much to keep, back from today: 400d.")], to: To = None
) -> None:
    """Take away the files of days that are older than that. They do not come back.

    Example: ringfence land expire --keep 400d
    """
    gone = expire_zone(to, _day_before(keep))
    say(f"{gone:,} files are gone.")


@app.command()
def ddl(
    to: To = None, database: Annotated[str, typer.Option(help="Database of the tables.")] = "ringfence"
) -> None:
    """Print the statements that declare the tables for Athena and Glue.

    Days are projected: no crawler is needed, and a new day is there at once.

    Example: ringfence land ddl --to s3://lake/ringfence
    """
    show(zone_statements(to, database))


def _day_before(duration: str) -> Any:
    """The day of so long ago, UTC."""
    return (datetime.now(UTC) - timedelta(milliseconds=parse_duration_ms(duration))).date()
