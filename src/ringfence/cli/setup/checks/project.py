"""The project: settings and definitions, and the store with its log and snapshots."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State
from ringfence.cli.terminal import options
from ringfence.compose.deciding.definitions import load_definitions
from ringfence.compose.folder.keys import key_file
from ringfence.compose.folder.store import (
    check_not_lost,
    has_store,
    log_bytes,
    open_snapshots,
    open_store,
    written_files,
)
from ringfence.errors import CorruptError, RingfenceError, StoreError
from ringfence.ports import DECISIONS, EVENTS
from ringfence.settings import FILE_NAME as SETTINGS
from ringfence.settings import load_settings
from ringfence.store import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.features.spec import FeatureSpec

_DAY_MS: Final = 86_400_000
_NEWEST_OFFSETS: Final = 100_000  # of each topic, unless all is to be read
_RIGHTS: Final = "Give this user the right to read and write it."
_BACKUP: Final = "Stop what writes there, and restore the folder from a backup."


@dataclass(slots=True)
class StoreReport:
    """What is found in a data folder, the time of its newest event, and how much a day adds to it."""

    checks: list[Check] = field(default_factory=list)
    newest_ms: int | None = None
    bytes_a_day: float = 0.0


def settings() -> Iterator[Check]:
    """ringfence.toml and the environment."""
    found = load_settings()
    yield Check("settings", State.FINE, f"state in {found.data_dir}; {SETTINGS} and the environment are read")


def specification(features: Path | None, rules: Path | None) -> FeatureSpec | None:
    """The features in use; None where they do not compile, which `definitions` tells."""
    try:
        return load_definitions(options.features_file(features), options.rules_file(rules)).spec
    except RingfenceError:
        return None


def definitions(features: Path | None, rules: Path | None) -> Iterator[Check]:
    """Features and rules compile, and fit each other."""
    found = load_definitions(
        options.features_file(features), options.rules_file(rules), load_settings().model
    )
    said = (
        f"{len(found.spec.names)} features of {found.spec_origin}, "
        f"{len(found.rules.active)} active rules of {found.rules_origin}"
    )
    if found.left_out:
        said += f", {len(found.left_out)} rules left out"
    yield Check("definitions", State.FINE, said)


def store(folder: Path, *, deep: bool) -> StoreReport:
    """The log's checksums, its snapshots and its models; a server may have it open."""
    report = StoreReport()
    try:
        check_not_lost(folder)
        if not has_store(folder):
            report.checks.append(
                Check("store", State.NOTE, f"none in {folder} yet", "The first `ringfence run` makes it.")
            )
            return report
        report.checks += _rights(folder)
        with open_store(folder, read_only=True) as opened:
            report.checks += _log(opened, report, deep=deep)
            report.checks += _snapshots(opened)
            report.bytes_a_day = _growth(opened, folder)
    except CorruptError as error:
        report.checks.append(Check("store", State.BAD, str(error), _BACKUP))
    except StoreError as error:
        report.checks.append(Check("store", State.BAD, str(error)))
    except OSError as error:
        report.checks.append(
            Check("store", State.BAD, f"{folder} cannot be read ({error.strerror})", _RIGHTS)
        )
    return report


def _rights(folder: Path) -> Iterator[Check]:
    """The files that a process that decides has to write."""
    effective = os.access in os.supports_effective_ids
    for path in (*written_files(folder), key_file(folder)):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=effective):
            said = f"{path} cannot be read and written by this user: nothing can be decided"
            yield Check("store", State.BAD, said, "Give the user that runs the service the right.")


def _log(opened: DataFolder, report: StoreReport, *, deep: bool) -> Iterator[Check]:
    counts, read = [], 0
    if deep:
        opened.check_pages()
    for topic in opened.log.topics():
        start, end = opened.log.start_offset(topic), opened.log.end_offset(topic)
        expected = first = start if deep else max(start, end - _NEWEST_OFFSETS)
        for batch in opened.log.read(topic, first):
            if batch.base_offset > expected:
                raise CorruptError(
                    f"topic {topic!r} has nothing from offset {expected} to {batch.base_offset}"
                )
            expected = batch.next_offset
            read += batch.count
            report.newest_ms = max(report.newest_ms or 0, batch.last_time_ms)
        if expected < end:
            raise CorruptError(f"topic {topic!r} ends at offset {expected}, not at {end} as it says")
        counts.append(f"{end:,} {topic}")
    whole = "all" if deep else "the newest"
    yield Check("store", State.FINE, f"{', '.join(counts)}; checksums of {whole} {read:,} agree")
    behind = opened.log.end_offset(EVENTS) and not opened.log.end_offset(DECISIONS)
    if behind:
        yield Check("decisions", State.NOTE, "there are events, but no payment has been decided")


def _growth(opened: DataFolder, folder: Path) -> float:
    """Bytes that a day of events like the newest adds to the folder, by the times of the events."""
    end = opened.log.end_offset(EVENTS)
    newest = list(opened.log.read(EVENTS, max(opened.log.start_offset(EVENTS), end - _NEWEST_OFFSETS)))
    if not newest:
        return 0.0
    first, last = min(one.first_time_ms for one in newest), max(one.last_time_ms for one in newest)
    held = end - opened.log.start_offset(EVENTS)
    each = log_bytes(folder) / max(held, 1)
    return each * sum(one.count for one in newest) * _DAY_MS / max(last - first, _DAY_MS)


def _snapshots(opened: DataFolder) -> Iterator[Check]:
    found, damaged = open_snapshots(opened).load_latest()
    if damaged:
        said = "; ".join(damaged)
        yield Check(
            "snapshots", State.NOTE, said, "An older one, or the log, serves; delete what is damaged."
        )
    elif found is None:
        yield Check("snapshots", State.FINE, "none yet: a start replays the log")
    else:
        yield Check("snapshots", State.FINE, f"the newest holds the state at offset {found.offset:,}")
