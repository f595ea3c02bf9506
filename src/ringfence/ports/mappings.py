"""What is told of files and mappings: a guess, a draft, an explanation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from ringfence.ports.sources import Format


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A guess: `mapping` is None when no shipped mapping fits the columns.

    `dropped` are columns that are never kept: sensitive authentication data.
    """

    path: str
    format: Format
    packing: str | None
    columns: list[str]
    mapping: str | None
    reasons: list[str]
    dropped: list[str]


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """What one field is read from; `values` are three of its values as they will be stored."""

    field: str
    reads: str
    runner_up: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What the file alone does not tell. `key` and one of `answers` settle it; the first holds until then."""

    key: str
    text: str
    answers: tuple[str, ...]
    words: tuple[str, ...]  # what each answer means

    @property
    def told(self) -> str:
        """The question as a remark, for where nobody can be asked."""
        others = " or ".join(
            f'--answer {self.key}="{one}"' if " " in one else f"--answer {self.key}={one}"
            for one in self.answers[1:4]
        )
        return f"{self.text}. Taken: {self.words[0]}; otherwise {others}"


@dataclass(slots=True)
class MappingDraft:
    """A mapping as TOML text, what each field is read from, remarks, and what the file does not tell."""

    text: str
    choices: list[FieldChoice] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    refused: int = 0
    rows: int = 0


class Explained(msgspec.Struct, frozen=True):
    """One field of one kind of event: where it comes from, and values as they will be stored."""

    kind: str
    field: str
    reads: str
    values: tuple[str, ...]
    filled: int  # of the events looked at


class MappingExplanation(msgspec.Struct, frozen=True):
    """What became of the first rows of a file. `refused` has a message for each reason."""

    path: str
    mapping: str
    events: int
    skipped: int
    fields: tuple[Explained, ...]
    counts: dict[str, int]
    refused: dict[str, str]


class Given(NamedTuple):
    """Fields that some transaction of a file has, attributes among them, and how many were looked at."""

    names: frozenset[str]
    transactions: int
