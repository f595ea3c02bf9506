"""`ringfence features`: features of a source as a Parquet file."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.deciding.run import EXIT_QUARANTINED, choose_mapping
from ringfence.cli.terminal import options, screen
from ringfence.compose.clock import now_ms
from ringfence.compose.deciding.definitions import load_spec
from ringfence.compose.files import read_ordered, write_parquet
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.events.privacy.tokens import Tokenizer
from ringfence.features.catalog import CATALOG
from ringfence.measuring import features_schema, measured
from ringfence.settings import load_settings
from ringfence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.features.spec import FeatureSpec
    from ringfence.ports.sources import SourceBatch


def features(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, or - for standard input.", metavar="SOURCE")
    ],
    out: Annotated[Path, typer.Option(help="File to write.", metavar="FILE.parquet")],
    spec: Annotated[
        Path | None,
        typer.Option(
            help="Python file that assigns `spec`. [default: as for run]",
            metavar="FILE.py",
            show_default=False,
        ),
    ] = None,
    mapping: options.Mapping = None,
    label_delay: Annotated[
        str | None,
        typer.Option(
            help="How long after the payment a label becomes known, such as 7d.", metavar="DURATION"
        ),
    ] = None,
    fmt: options.SourceFormat = None,
    order: options.Order = "auto",
) -> None:
    """Write one row per payment: its id, event time, and every feature as a run would measure it.

    Needs no data folder. Labels take effect when they become known. Exit code 4 says that some records could
    not be read; `ringfence run` would quarantine them.

    Example: ringfence features payments.csv --out features.parquet --mapping sparkov
    """
    settings = load_settings()
    chosen = choose_mapping(mapping or settings.mapping, sources, fmt)
    path = options.features_file(spec)
    found = CATALOG if path is None else load_spec(path)
    arrivals = read_ordered(
        sources,
        chosen,
        Tokenizer(secrets.token_bytes(32)),  # ids are compared within this run only
        now_ms(),
        order=order,
        lateness_ms=found.allowed_lateness_ms,
        say=screen.say,
        batch_rows=settings.batch_rows,
        label_delay=label_delay or settings.label_delay,
        fmt=fmt,
    )
    with options.compiling():
        Walk(found).measure(NO_EVENTS)
    rows, bad = _write(arrivals, found, out)
    screen.show(f"{rows:,} payments with {len(found.names)} features each written to {out}")
    if bad:
        screen.say(
            f"{bad:,} records could not be read: `ringfence run` would quarantine them with the reason"
        )
        raise typer.Exit(EXIT_QUARANTINED)


def _write(arrivals: Iterator[SourceBatch], spec: FeatureSpec, out: Path) -> tuple[int, int]:
    """How many payments were written, and how many records could not be read."""
    rows = bad = 0
    with screen.progress("measuring") as tell, write_parquet(out, features_schema(spec)) as write:

        def watched() -> Iterator[SourceBatch]:
            nonlocal bad
            for arrival in arrivals:
                bad += len(arrival.bad)
                tell(arrival.position, arrival.total, f"{rows:,} payments")
                yield arrival

        for batch in measured(watched(), spec):
            rows += len(batch)
            write(batch)
    return rows, bad
