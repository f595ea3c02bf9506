"""Decisions of a batch in columns: built, encoded and decoded without a Python object per transaction."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.decisions.fields import Codes, Floats, ListColumns, Numbers
from ringfence.errors import CorruptError
from ringfence.scoring.artifacts.reasons import WITHOUT_PART, sentence, spoken
from ringfence.scoring.language.words import in_words, split
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ringfence.decisions.fields import FieldColumn
    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

_TEXTS: Final = pa.list_(pa.string())
DECISION_FIELDS: Final = [
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("event_time_ms", pa.int64(), nullable=False),
    pa.field("decided_at_ms", pa.int64(), nullable=False),
    pa.field("outcome", pa.dictionary(pa.int8(), pa.string()), nullable=False),
    pa.field("score", pa.float64(), nullable=False),  # 0-100
    pa.field("probability", pa.float64()),  # of fraud, by the model that spoke; null without one
    pa.field("model", pa.dictionary(pa.int8(), pa.string())),  # its digest
    pa.field("challengers", pa.list_(pa.float64()), nullable=False),  # what those would have said
    pa.field("factors", _TEXTS, nullable=False),  # inputs that moved the probability most, strongest first
    pa.field("factor_weights", pa.list_(pa.float64()), nullable=False),  # by so much, in log-odds
    pa.field("control", pa.bool_(), nullable=False),  # let through although it would have been declined
    pa.field("reasons", _TEXTS, nullable=False),  # reason codes, strictest first
    pa.field("rules", _TEXTS, nullable=False),  # ids of the active rules that fired, strictest first
    pa.field("shadow_rules", _TEXTS, nullable=False),
    pa.field("typologies", _TEXTS, nullable=False),  # those with a score above 0, in the book's order
    pa.field("typology_scores", pa.list_(pa.float64()), nullable=False),  # 0-100
    pa.field("degraded", _TEXTS, nullable=False),  # what this decision was made without
    pa.field("latency_us", pa.int64(), nullable=False),
]
"""Leading columns of every decision batch.

One float64 column per feature follows, null where it is unknown; the schema's metadata holds the digests of
`features` and `rules`, `feature_names` and all `versions` as JSON, and the digests of `challengers` likewise.
"""

_PLAIN: Final = pa.ipc.IpcWriteOptions()
_PACKED: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_WORTH_PACKING: Final = 256
_OFFSETS: Final = pa.ipc.IpcReadOptions(use_threads=False, included_fields=[0])


class FiredReason(msgspec.Struct, frozen=True):
    """Why, in words: one fired rule with its texts, feature values filled in."""

    code: str
    rule: str
    analyst: str
    customer: str


class Known(NamedTuple):
    """What a batch says of all its decisions: names of the features, versions, digests of challengers."""

    feature_names: list[str]
    versions: dict[str, str]
    challengers: list[str]


MODEL_RULE: Final = "model"
"""Stands for a rule in a reason that the model gives."""

NO_RULE: Final = "degraded"
"""Stands for a rule in a reason that is a missing part."""

PROBABILITY: Final = "model.probability"
"""Name of the model's probability in texts, as in rules."""


def source_of(code: str) -> str:
    """What stands for a rule in a reason of this code that no rule gave."""
    return NO_RULE if code == WITHOUT_PART else MODEL_RULE


class Factor(msgspec.Struct, frozen=True):
    """An input of the model, and what it added to the log-odds of fraud."""

    input: str
    weight: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision with everything that it knew.

    `challengers` maps digests to probabilities, `typologies` those with a score to it (0-100).
    """

    offset: int
    transaction_id: str
    event_time_ms: int
    decided_at_ms: int
    outcome: Outcome
    score: float
    probability: float | None
    model: str | None
    challengers: dict[str, float | None]
    factors: list[Factor]
    control: bool
    reasons: list[str]
    rules: list[str]
    shadow_rules: list[str]
    typologies: dict[str, float]
    degraded: list[str]
    latency_us: int
    features: dict[str, float | None]
    versions: dict[str, str]

    def explain(self, ruleset: RuleSet, texts: Mapping[str, ReasonText] | None = None) -> list[FiredReason]:
        """The fired rules' reasons in words, strictest first, then the model's.

        `ruleset` must be the version that decided; `texts` are those of the model, by input.
        """
        return [*self.by_rules(ruleset), *self.besides_rules(texts or {})]

    def by_rules(self, ruleset: RuleSet) -> list[FiredReason]:
        """The reasons of the rules that fired, strictest first."""
        by_id = {rule.id: rule for rule in ruleset.every_rule}
        return [self._reason(by_id[rule]) for rule in self.rules if rule in by_id]

    def besides_rules(self, texts: Mapping[str, ReasonText]) -> list[FiredReason]:
        """The reasons that no rule gave: the model's, strongest input first, and a missing part."""
        return [msgspec.structs.replace(why, analyst=sentence(why.analyst)) for why in self.phrases(texts)]

    def phrases(self, texts: Mapping[str, ReasonText]) -> list[FiredReason]:
        """The same with the analyst's texts as parts of a sentence."""
        weights = [(one.input, one.weight) for one in self.factors]
        said = spoken(self.reasons, weights, texts, lambda name: self.features.get(name, 0.0) is not None)
        return [
            FiredReason(why.code, source_of(why.code), self._fill(why.analyst), self._fill(why.customer))
            for why in said
        ]

    def _reason(self, rule: Rule) -> FiredReason:
        return FiredReason(rule.reason, rule.id, self._fill(rule.analyst), self._fill(rule.customer))

    def _fill(self, text: str) -> str:
        return re.sub(r"\{([^{}]+)\}", self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        asked, form = split(match[1])
        entity, _, name = asked.partition(".")
        if entity == "typology":
            value: float | None = self.typologies.get(name, 0.0)
        elif asked in self.features:
            value = self.features[asked]
        elif asked == PROBABILITY:
            value = self.probability
        else:
            return match[0]
        return in_words(value, form)


class Made(NamedTuple):
    """Decisions that have just been made, as an Arrow stream and as what it was written from.

    `columns` are the leading ones; `features` (features, n); `known` is what the schema's metadata says.
    """

    payload: bytes
    columns: Mapping[str, FieldColumn]
    features: NDArray[np.float64]
    known: Known | None


_READ: Final = Made(b"", {}, np.empty((0, 0)), None)
"""Of decisions that are in a table."""


class DecisionBatch:
    """Decisions in log order over an Arrow record batch (`DECISION_FIELDS`, then one column per feature).

    Immutable. Of decisions that have just been made, the table is read only once somebody asks for it.
    """

    __slots__ = ("_known", "_made", "_rows", "_table")

    def __init__(self, content: pa.RecordBatch | Made) -> None:
        self._made = content if isinstance(content, Made) else _READ
        self._table: pa.RecordBatch | None = None if isinstance(content, Made) else content
        self._rows = self._made.features.shape[1] if self._table is None else int(self._table.num_rows)
        self._known = self._made.known

    @property
    def table(self) -> pa.RecordBatch:
        """The record batch."""
        if self._table is None:
            self._table = _read(self._made.payload)
        return self._table

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"DecisionBatch({len(self)} decisions)"

    def __iter__(self) -> Iterator[Decision]:
        return (self.row(row) for row in range(len(self)))

    @property
    def known(self) -> Known:
        """What is said of all decisions at once."""
        if self._known is None:
            said = self.table.schema.metadata
            names = (b"feature_names", b"versions", b"challengers")
            self._known = Known(*(json.loads(said[name]) for name in names))
        return self._known

    @property
    def feature_names(self) -> list[str]:
        return self.known.feature_names

    @property
    def versions(self) -> dict[str, str]:
        """What decided, each by content hash: `features`, `rules`, ..."""
        return self.known.versions

    @property
    def challenger_names(self) -> list[str]:
        """Digests of the challengers, in the order of their probabilities."""
        return self.known.challengers

    @property
    def outcomes(self) -> NDArray[np.int8]:
        """Strictness of each outcome, int8: 0 approve to 3 decline."""
        made = self._made.columns.get("outcome")
        if isinstance(made, Codes):
            return made.codes
        found: NDArray[np.int8] = self.table.column("outcome").indices.to_numpy()
        return found

    def numbers(self, name: str) -> NDArray[Any]:
        """A leading column of numbers none of which is null."""
        made = self._made.columns.get(name)
        if isinstance(made, Numbers):
            return made.array
        found: NDArray[Any] = self.table.column(name).to_numpy()
        return found

    def values(self, name: str) -> list[Any]:
        """A column as Python values, None for null."""
        made = self._made.columns.get(name)
        if made is None and len(self._made.features):
            made = Floats(self._made.features[self.feature_names.index(name)])
        found: list[Any] = self.table.column(name).to_pylist() if made is None else made.values()
        return found

    def filled(self, name: str) -> list[int]:
        """Rows in which a leading column of lists is not empty."""
        made = self._made.columns.get(name)
        lengths = (
            np.diff(made.starts) if isinstance(made, ListColumns) else self.table.column(name).value_lengths()
        )
        found: list[int] = np.flatnonzero(lengths).tolist()
        return found

    def row(self, index: int) -> Decision:
        """One decision as a value."""
        fields = {
            field.name: self.table.column(number)[index].as_py()
            for number, field in enumerate(DECISION_FIELDS)
        }
        features = {name: self.table.column(name)[index].as_py() for name in self.feature_names}
        return decision_of(fields, features, self.versions, self.challenger_names)

    def encode(self) -> bytes:
        """As bytes: an Arrow IPC stream of one batch, compressed when that is worth it."""
        if self._made.payload and len(self) < _WORTH_PACKING:
            return self._made.payload
        sink = pa.BufferOutputStream()
        options = _PACKED if len(self) >= _WORTH_PACKING else _PLAIN
        with pa.ipc.new_stream(sink, self.table.schema, options=options) as writer:
            writer.write_batch(self.table)
        payload: bytes = sink.getvalue().to_pybytes()
        return payload

    @classmethod
    def decode(cls, payload: bytes) -> DecisionBatch:
        """The batch that `encode` wrote."""
        return cls(_read(payload))


def _read(payload: bytes) -> pa.RecordBatch:
    try:
        with pa.ipc.open_stream(payload) as reader:
            return reader.read_next_batch()
    except (pa.ArrowInvalid, OSError, StopIteration) as error:
        raise _unreadable() from error


def _unreadable() -> CorruptError:
    return CorruptError("a stored batch of decisions cannot be read: restore the store, or replay the events")


def stored_offsets(payload: bytes) -> Any:
    """Offsets of the decisions in a batch that `encode` wrote, int64, the rest left packed."""
    try:
        with pa.ipc.open_stream(payload, options=_OFFSETS) as reader:
            return reader.read_next_batch().column(0).to_numpy()
    except (pa.ArrowInvalid, OSError, StopIteration) as error:
        raise _unreadable() from error


def decision_of(
    fields: dict[str, Any],
    features: dict[str, float | None],
    versions: dict[str, str],
    challengers: list[str],
) -> Decision:
    """One decision from the values of its row, the leading columns by name."""
    weights = fields.pop("factor_weights")
    factors = [Factor(*pair) for pair in zip(fields["factors"], weights, strict=True)]
    said = dict(zip(challengers, fields["challengers"], strict=True))
    scores = dict(zip(fields["typologies"], fields.pop("typology_scores"), strict=True))
    more = {
        "outcome": Outcome(fields["outcome"]),
        "factors": factors,
        "challengers": said,
        "typologies": scores,
    }
    return Decision(**fields | more, features=features, versions=versions)


def number_columns(matrix: Any) -> list[Any]:
    """Arrow float64 columns of the rows of a matrix, null where not finite; they share its memory."""
    matrix = np.ascontiguousarray(matrix)
    rows, width = matrix.shape
    known = np.isfinite(matrix.ravel())
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    flat = pa.Array.from_buffers(pa.float64(), rows * width, [bits, pa.py_buffer(matrix)])
    return [flat.slice(row * width, width) for row in range(rows)]
