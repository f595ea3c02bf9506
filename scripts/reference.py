"""Writes the pages of docs that are told from code or other pages. A test checks that they are current."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import typer

import ringfence
from ringfence.access.roles import PERMITTED, Role
from ringfence.access.table import NEEDED
from ringfence.adapters.files.blocks import GIVE_UP_BYTES
from ringfence.adapters.files.csv_rows import COLUMNS_LIMIT
from ringfence.adapters.files.json_rows import FIELDS_LIMIT
from ringfence.adapters.files.tables import GROUP_BYTES, GROUP_RATIO
from ringfence.adapters.sqlite.quarantine import MOST_BYTES as QUARANTINE_BYTES
from ringfence.adapters.sqlite.quarantine import MOST_RECORDS as QUARANTINE_RECORDS
from ringfence.api.openapi.asyncapi import document
from ringfence.cli import app, execute
from ringfence.events.attributes import ATTRIBUTES_LIMIT
from ringfence.events.bad import ORIGINAL_LIMIT, Reason
from ringfence.events.decoding.decode import RECORD_LIMIT
from ringfence.events.decoding.draft import NAME_LIMIT as ATTRIBUTE_NAME
from ringfence.events.decoding.draft import TEXT_LIMIT
from ringfence.events.mapping import describe_mappings
from ringfence.events.model import AMOUNT_LIMIT_MAJOR
from ringfence.events.values.paths import DEEPEST
from ringfence.events.values.texts import TOML_LIMIT
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureKind
from ringfence.rulebook.entries import MOST_ROWS as LIST_ROWS
from ringfence.rulebook.entries import NAME_LIMIT as LIST_NAME
from ringfence.scoring.rulesets.books import MAX_BYTES as BOOK_BYTES
from ringfence.scoring.rulesets.books import MAX_NODES as BOOK_NODES

FOLDER = Path(__file__).parent.parent / "docs"
RECORD = re.compile(
    r"# (?P<number>\d{4}) (?P<title>\S.*)\n\n"
    r"(?P<status>(?:Accepted|Replaced(?: in part)? by \[\d{4}\]\([\w-]+\.md\)), \d{4}-\d\d-\d\d)\.\n\n\S"
)
"""How a decision record begins."""

MADE = "<!-- Made by scripts/reference.py: change the code, then run it. -->"


def pages() -> dict[str, str]:
    """Each page by its place under docs."""
    return {
        "reference/cli.md": _cli(),
        "reference/api.md": _api(),
        "reference/catalog.md": _catalog(),
        "reference/mappings.md": _mappings(),
        "reference/quarantine-reasons.md": _reasons(),
        "reference/limits.md": _limits(),
        "reference/permissions.md": _permissions(),
        "reference/asyncapi.json": json.dumps(document("0"), indent=1) + "\n",
        "decisions/README.md": _decisions(),
    }


def records() -> list[Path]:
    """The decision records, by number."""
    return sorted((FOLDER / "decisions").glob("[0-9]*.md"))


def commands() -> list[tuple[str, ...]]:
    """Every command, as the words that call it."""
    found: list[tuple[str, ...]] = []
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", None)
        found += [(name, each) for each in inner] if inner else [(name,)]
    return found


def _cli() -> str:
    parts = ["# Commands", MADE, "`ringfence COMMAND --help` says the same."]
    for words in commands():
        parts += [f"## ringfence {' '.join(words)}", f"```text\n{_help(words)}\n```"]
    return _joined(parts)


def _help(words: tuple[str, ...]) -> str:
    os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = "100"
    said = StringIO()
    with redirect_stdout(said):
        execute([*words, "--help"])
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def _api() -> str:
    parts = [
        "# Library",
        MADE,
        "`import ringfence as rf`: these names, and no others, are the library's surface.",
    ]
    for name in ringfence.__all__:
        value = getattr(ringfence, name)
        parts.append(f"## rf.{name}")
        if not callable(value):
            parts.append({"CATALOG": "The shipped features.", "NIGHT": "Hours 0 to 6."}[name])
            continue
        parts.append(f"```python\n{name}{_signature(value)}\n```" if inspect.isfunction(value) else "")
        parts.append(_doc(value))
        if inspect.isclass(value):
            parts += [line for member in _members(value) for line in member]
    return _joined(part for part in parts if part)


def _members(kind: type) -> list[tuple[str, str]]:
    own = [(name, item) for name, item in vars(kind).items() if not name.startswith("_")]
    told = []
    for name, item in own:
        function = item.__func__ if isinstance(item, classmethod | staticmethod) else item
        if inspect.isfunction(function) and function.__doc__:
            told.append((f"**`{name}{_signature(function)}`**", _doc(function)))
    return told


def _signature(function: object) -> str:
    return str(inspect.signature(function)).replace("'", "")  # type: ignore[arg-type]


def _doc(value: object) -> str:
    text = inspect.getdoc(value) or ""
    lines, fenced = [], False
    for line in text.splitlines():
        if line.startswith(">>>") and not fenced:
            lines.append("```python")
            fenced = True
        elif fenced and not line:
            lines.append("```")
            fenced = False
        lines.append(line)
    return "\n".join([*lines, *(["```"] if fenced else [])])


def _catalog() -> str:
    parts = [
        "# The shipped features",
        MADE,
        f"{len(CATALOG.features)} features of {len(CATALOG.entities)} entities, version `{CATALOG.digest}`.",
        "[What each kind means](../concepts/features.md).",
    ]
    for item in CATALOG.entities:
        names = ", ".join(f"`{feature.name}`" for feature in CATALOG.features_of(item.name))
        parts += [f"## {item.name}", f"Key: {', '.join(f'`{key}`' for key in item.keys)}.", names]
    kinds = ", ".join(f"`{kind}`" for kind in FeatureKind)
    return _joined([*parts, "## All kinds", kinds])


def _mappings() -> str:
    parts = [
        "# Shipped mappings",
        MADE,
        "`ringfence sources NAME` says the same. [Write your own](../howto/sources.md).",
        "[What a mapping can say](mapping-language.md) has every key.",
    ]
    for item in describe_mappings():
        columns = ", ".join(f"`{name}`" for name in item.columns)
        about = " ".join(item.about.split())
        parts += [
            f"## {item.name}",
            f"{item.title}.",
            about,
            f"Events: {', '.join(item.kinds)}. Columns: {columns}.",
        ]
    return _joined(parts)


def _permissions() -> str:
    granted = "\n".join(
        f"| `{role}` | {', '.join(f'`{one}`' for one in sorted(PERMITTED[role]))} |" for role in Role
    )
    rows = "\n".join(
        f"| `{method}` | `{_plain(path)}` | {_code(needed)} |" for (method, path), needed in NEEDED.items()
    )
    return _joined(
        [
            "# Permissions",
            MADE,
            "What roles permit, and what each route asks for: [who may do what](../operations/access.md).",
            f"| role | permits |\n|---|---|\n{granted}",
            f"| method | route or page | permission |\n|---|---|---|\n{rows}",
        ]
    )


def _plain(path: str) -> str:
    return re.sub(r":\w+}", "}", path)


def _code(needed: str | None) -> str:
    return f"`{needed}`" if needed else "no key"


def _reasons() -> str:
    rows = "\n".join(f"| `{reason}` | {MEANINGS[reason]} |" for reason in Reason)
    return _joined(
        [
            "# Why a record is quarantined",
            MADE,
            "The reason of its first fault; the message names every fault and its field.",
            f"| reason | the record |\n|---|---|\n{rows}",
        ]
    )


MEANINGS = {
    Reason.MALFORMED: "is no JSON object, or a row with too few or too many cells",
    Reason.INVALID_UTF8: "is not UTF-8 text",
    Reason.TRUNCATED: "ends where the source ends, in the middle",
    Reason.MISSING_FIELD: "lacks a field that its kind of event needs",
    Reason.UNKNOWN_FIELD: "has a field that is none of Ringfence's: free fields belong under `attributes`",
    Reason.REPEATED_FIELD: "has a key twice in one JSON object, of which readers take the first or the last",
    Reason.WRONG_TYPE: "has a text where a number belongs, or the like",
    Reason.UNPARSABLE_TIME: "has a time that cannot be read in the mapping's format",
    Reason.TIME_OUT_OF_RANGE: "is dated before 2000, or more than a day after it was received",
    Reason.UNPARSABLE_AMOUNT: "has an amount that is no number",
    Reason.NEGATIVE_AMOUNT: "has an amount below zero",
    Reason.ABSURD_AMOUNT: "has an amount above 10^13 major units",
    Reason.UNKNOWN_CURRENCY: "has a currency that is no ISO 4217 code, or was none at the time of the event",
    Reason.OUT_OF_RANGE: "has a position off the globe, or an infinite number",
    Reason.TOO_LARGE: "has a text of more than 4 KiB, more than 512 attributes, or more than 1 MiB",
    Reason.TRAILER: "is a line of totals or a footer, not a record: name such lines under `file.trailers`",
    Reason.CONFLICT: "has the id of another event and differs from it",
    Reason.CARD_NUMBER: "has something else where a card number belongs, or a card number where none belongs",
}


def _decisions() -> str:
    """The index. A record in another form stands there by its name, and fails a test."""
    rows = []
    for path in records():
        told = RECORD.match(path.read_text("utf-8"))
        title, status = told.group("title", "status") if told else (path.stem, "")
        rows.append(f"| [{path.name[:4]}]({path.name}) | {title} | {status} |")
    table = "\n".join(["| | decision | status |", "|---|---|---|", *rows])
    return _joined(
        [
            "# Decision records",
            "<!-- Made by scripts/reference.py: write a record, then run it. -->",
            "Why Ringfence is built as it is: half a page each, and never rewritten.",
            "A record that takes the place of an earlier one says so, and the earlier one's status names it.",
            table,
        ]
    )


def _limits() -> str:
    """How large things may be, and what becomes of larger ones."""
    groups = f"{_size(GROUP_BYTES)} and {GROUP_RATIO} times its packed size"
    tables = {
        "Records": [
            ("a record of JSON or CSV", _size(RECORD_LIMIT), "quarantined: `too_large`"),
            ("a JSON record", f"{FIELDS_LIMIT:,} fields", "quarantined: `too_large`"),
            ("a JSON record", f"{DEEPEST} levels for a mapping's paths", "what lies deeper is not seen"),
            ("a text", f"{_size(TEXT_LIMIT)} of UTF-8", "quarantined: `too_large`"),
            ("free attributes of an event", f"{ATTRIBUTES_LIMIT}", "quarantined: `too_large`"),
            ("the name of an attribute", f"{ATTRIBUTE_NAME} characters", "cut short"),
            ("an amount", f"{AMOUNT_LIMIT_MAJOR:,} major units", "quarantined: `absurd_amount`"),
            ("a time", "from 2000-01-01 to a day after its receipt", "quarantined: `time_out_of_range`"),
        ],
        "Files": [
            ("columns of CSV or Parquet", f"{COLUMNS_LIMIT:,}", "exit code 2"),
            (
                "a record that does not end",
                _size(GIVE_UP_BYTES),
                "its first line is quarantined",
            ),
            ("a row group of Parquet, unpacked", groups, "quarantined: `too_large`"),
            ("a mapping or settings file", _size(TOML_LIMIT), "exit code 2"),
            ("a rule book", f"{_size(BOOK_BYTES)}, {BOOK_NODES:,} names and values", "exit code 2"),
            ("an import of list entries", f"{LIST_ROWS:,} rows", "exit code 2"),
            ("a list's name", f"{LIST_NAME} characters", "exit code 2"),
        ],
        "Quarantine": [
            ("what is kept of an original", _size(ORIGINAL_LIMIT), "the rest is left out"),
            ("records", f"{QUARANTINE_RECORDS:,}", "the oldest go"),
            ("originals in all", _size(QUARANTINE_BYTES), "512 bytes of each further one are kept"),
        ],
    }
    parts = [
        "# Limits",
        MADE,
        "What is bounded, and what becomes of more. Files may be of any size: they are read in blocks.",
        "A server has [its own](../operations/serve.md#settings), a [request](../howto/http.md) too.",
    ]
    for title, rows in tables.items():
        lines = "\n".join(f"| {what} | {most} | {more} |" for what, most, more in rows)
        parts += [f"## {title}", f"| | at most | of more |\n|---|---|---|\n{lines}"]
    return _joined(parts)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _joined(parts: object) -> str:
    return "\n\n".join(parts) + "\n"  # type: ignore[arg-type]


def main() -> int:
    """Writes the pages that have changed."""
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"{path.relative_to(FOLDER.parent.parent)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
