"""A file read by a mapping written as text, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ringfence.adapters.files import read
from ringfence.events.mapping import parse_mapping
from ringfence.events.privacy.tokens import Tokenizer

CASES = Path(__file__).parent / "cases"
NOW = 1_785_000_000_000  # 2026-07-25
TOKENIZER = Tokenizer(b"0123456789abcdef")


class Outcome:
    """What became of a file."""

    def __init__(self, paths, text, *, now=NOW, batch_rows=8192):
        self.mapping = parse_mapping(text, "mine.toml")
        self.rows, self.labels, self.bad, self.skipped = [], [], [], 0
        names = [str(path) for path in paths] if isinstance(paths, list) else [str(paths)]
        for batch in read(names, self.mapping, TOKENIZER, now, batch_rows=batch_rows):
            self.rows += batch.events.table.to_pylist()
            self.labels += batch.labels.table.to_pylist() if batch.labels else []
            self.bad += batch.bad
            self.skipped += batch.skipped

    def column(self, name):
        return [row.get(name) for row in self.rows]

    @property
    def times(self):
        return [
            datetime.fromtimestamp(row["event_time_ms"] / 1000, UTC).isoformat(timespec="milliseconds")[:-6]
            for row in self.rows
        ]

    @property
    def reasons(self):
        return [(record.position, record.reason.value) for record in self.bad]


def case(name):
    return CASES / name


def mapping(event_time, amount, more="", record="", top=""):
    return f"""
{top}
[[records]]
{record}
[records.fields]
event_time = {event_time}
amount = {amount}
{more}
"""
