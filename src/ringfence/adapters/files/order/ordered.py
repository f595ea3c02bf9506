"""`read`, with the events in order of time where the files are not."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ringfence.adapters.files.order.look import FileLook, Looker
from ringfence.adapters.files.order.merge import merged
from ringfence.adapters.files.order.runs import runs_in
from ringfence.adapters.files.paths import STDIN, resolve, size_of
from ringfence.adapters.files.reading import read
from ringfence.errors import ColumnsError, InputError
from ringfence.events.decoding.decode import NO_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping
    from ringfence.ports.sources import Format, Order, SourceBatch

"""Sorted where the files need it; sorted in any case; as the files are, one after the other."""

_MOST_MERGED: Final = 64  # files that are read side by side; more are sorted
_REMEDY: Final = "--order arrival takes them as they stand"


@dataclass(frozen=True, slots=True)
class _Plan:
    how: Literal["as they stand", "merge", "sort"]
    said: str = ""


def read_ordered(
    paths: Sequence[str],
    mapping: Mapping,
    tokenizer: Tokenizer,
    ingest_time_ms: int,
    *,
    order: Order = "auto",
    lateness_ms: int = 86_400_000,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    batch_rows: int = 8192,
    label_delay: str | None = None,
    fmt: Format | None = None,
    unusable: Callable[[InputError], None] | None = None,
) -> Iterator[SourceBatch]:
    """Batches as `read` gives them, in order of event time.

    A file whose rows come as they happened, a few of them late, stays as it is: a late event is part of what
    was known. Newest-first and shuffled files are sorted, files that overlap in time are merged, and `say`
    hears of it. Sorting keeps its runs in `folder` (None: where the system has temporary files), about as
    many bytes as the events take in the log, and holds at most half a million events in memory. Standard
    input cannot be looked at beforehand: what has come is given out at once. Where one of several files lacks
    the mapping's columns, `ColumnsError` comes before the first batch.
    """
    options: dict[str, Any] = {
        "batch_rows": batch_rows,
        "label_delay": label_delay,
        "fmt": fmt,
        "unusable": unusable,
    }
    files = [file for path in paths for file in _found(path)]
    with tokenizer.uncounted():
        if len(files) > 1:
            look: dict[str, Any] = {"mapping": mapping, "tokenizer": tokenizer, "label_delay": label_delay}
            _refuse_misfits(files, partial(read, ingest_time_ms=ingest_time_ms, fmt=fmt, **look))
        plan = _plan(files, order, Looker(mapping, tokenizer, ingest_time_ms, lateness_ms, fmt))
    if plan.said:
        say(plan.said)
    if plan.how == "merge":
        streams = [read([file], mapping, tokenizer, ingest_time_ms, **options) for file in files]
        total = sum(size_of(file) or 0 for file in files if Path(file).exists())
        return (replace(batch, total=total) for batch in merged(streams, batch_rows))
    source = read(paths, mapping, tokenizer, ingest_time_ms, **options)
    return source if plan.how == "as they stand" else _sorted(source, folder, batch_rows)


def _found(path: str) -> list[str]:
    """The files of a path; one that is not there stands for itself, and reading it says so."""
    try:
        return resolve([path])
    except InputError:
        return [path]


def _refuse_misfits(files: Sequence[str], start: Callable[[list[str]], Generator[SourceBatch]]) -> None:
    """`ColumnsError` for files that lack the mapping's columns, before anything of the others is decided."""
    misfits = []
    for file in filter(os.path.isfile, files):  # what comes through a pipe comes once
        with suppress(InputError), closing(start([file])) as batches:  # reading reports what else is wrong
            try:
                next(batches, None)
            except ColumnsError as error:
                misfits.append(str(error))
    if misfits:
        more = f" (and {len(misfits) - 1:,} more like it)" if len(misfits) > 1 else ""
        raise ColumnsError(
            f"{misfits[0]}{more}. None of the {len(files):,} files was read: leave out what the mapping does "
            "not fit, and run it by itself with a mapping of its own"
        )


def _plan(files: Sequence[str], order: Order, looker: Looker) -> _Plan:
    if order == "arrival" or STDIN in files:
        return _Plan("as they stand")
    if order == "time":
        return _Plan("sort")
    looks = [found for file in files if (found := looker.look(file)) is not None]
    crooked = next((found for found in looks if not found.in_order), None)
    if crooked is not None:
        return _Plan("sort", _said_of(crooked))
    if all(one.greatest_ms <= other.least_ms for one, other in pairwise(looks)):
        return _Plan("as they stand")
    how: Literal["merge", "sort"] = "merge"
    if len(looks) > _MOST_MERGED or looker.mapping.counts_rows:
        how = "sort"
    return _Plan(how, f"The {len(looks)} sources are merged by event time; {_REMEDY}")


def _said_of(look: FileLook) -> str:
    if look.newest_first:
        return f"{look.path} is newest first: its rows are sorted by event time; {_REMEDY}"
    share = 100 * max(look.steps_back, look.late)
    return (
        f"{look.path} is not in order of event time ({share:.0f} % of rows are out of place): sorted; "
        f"{_REMEDY}"
    )


def _sorted(source: Iterator[SourceBatch], folder: Path | None, batch_rows: int) -> Iterator[SourceBatch]:
    """The first half of the way is reading and sorting, the second is what leaves."""
    total: int | None = None
    with runs_in(folder) as runs:
        for batch in source:
            runs.add(batch)
            total = batch.total
            yield replace(batch, events=NO_EVENTS, labels=None, position=batch.position // 2)
        gone = 0
        for batch in merged(runs.streams(), batch_rows):
            gone += len(batch.events)
            half = 0 if total is None else total // 2
            yield replace(batch, position=half + half * gone // max(runs.rows, 1), total=total)
