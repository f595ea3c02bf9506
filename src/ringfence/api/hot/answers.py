"""What a caller is told of a decision, as JSON; the same bytes whenever it is asked for again."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from ringfence.api.hot import answer_columns
from ringfence.api.hot.phrases import Phrases, ReasonPhrase, codes_only
from ringfence.decisions.decision import PROBABILITY, DecisionBatch, source_of
from ringfence.scoring.artifacts.reasons import sentence, spoken
from ringfence.scoring.rulesets.rules import Outcome  # noqa: TC001 (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ringfence.scoring.artifacts.manifest import ReasonText
    from ringfence.scoring.rulesets.ruleset import RuleSet

_ENCODER: Final = msgspec.json.Encoder()
_COLUMNS: Final = (
    "transaction_id",
    "outcome",
    "score",
    "probability",
    "offset",
    "event_time_ms",
    "decided_at_ms",
    "latency_us",
)
_LISTS: Final = ("reasons", "rules", "shadow_rules", "typologies", "typology_scores", "degraded")
_BODY: Final = (
    b'{"transaction_id":%b,"outcome":%b,"score":%b,"probability":%b,"reasons":%b,"shadow_rules":%b,'
    b'"typologies":%b,"degraded":%b,"offset":%d,"event_time_ms":%d,"decided_at_ms":%d,"latency_us":%d,'
    b'"versions":%b}'
)
_RULE_SETS: Final = 16  # kept, for the words of old decisions
_MANY: Final = 256  # decisions from which columns are the faster way
_KEPT: Final = 4096  # small values that come again and again, encoded


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on one payment. `offset` is null only in an answer given at the deadline.

    `typologies` are the named scenarios of which there are signs, each with its score (0-100).
    """

    transaction_id: str
    outcome: Outcome
    score: float
    probability: float | None
    reasons: list[ReasonPhrase]
    shadow_rules: list[str]
    typologies: dict[str, float] = {}
    degraded: list[str]
    offset: int | None
    event_time_ms: int | None
    decided_at_ms: int
    latency_us: int
    versions: dict[str, str]


class Answers:
    """Turns decisions into answers.

    `rules` finds a rule set by its digest, for the words of the reasons; `texts` likewise those of a model.
    """

    def __init__(
        self,
        rules: Callable[[str], RuleSet | None],
        texts: Callable[[str], Mapping[str, ReasonText]] = lambda _digest: {},
    ) -> None:
        self._rules = rules
        self._texts = texts
        self._phrases: dict[str, Phrases] = {}

    def encode(self, decisions: DecisionBatch) -> Sequence[bytes]:
        """One JSON object per decision, as `DecisionAnswer` would be encoded."""
        if not len(decisions):
            return []
        versions = decisions.versions
        phrases, said = self._phrases_of(versions["rules"]), _ENCODER.encode(versions)
        values = _Values(decisions)
        models = self._of_models(decisions, values)
        if len(decisions) >= _MANY:
            told = {row: _told(decisions, row, phrases, values, said) for row, said in models.items()}
            return answer_columns.encode(decisions, phrases, said, told)
        columns = [decisions.values(name) for name in _COLUMNS]
        lists = [decisions.values(name) for name in _LISTS]
        bodies = []
        for row, ((identity, outcome, score, probability, *rest), several) in enumerate(
            zip(zip(*columns, strict=True), zip(*lists, strict=True), strict=True)
        ):
            reasons, rules, shadow, names, scores, degraded = several
            typologies = dict(zip(names, scores, strict=True))
            bodies.append(
                _BODY
                % (
                    _ENCODER.encode(identity),
                    _text(outcome),
                    _number(score),
                    _number(probability),
                    _reasons(phrases, rules, reasons, values.of(row, typologies), models.get(row, ()))
                    if reasons
                    else b"[]",
                    _ENCODER.encode(shadow),
                    _ENCODER.encode(typologies),
                    _ENCODER.encode(degraded),
                    *rest,
                    said,
                )
            )
        return bodies

    def encode_one(self, decisions: DecisionBatch, row: int) -> bytes:
        """The JSON object of one decision of a batch."""
        return self.encode(DecisionBatch(decisions.table.slice(row, 1)))[0]

    def _of_models(self, decisions: DecisionBatch, values: _Values) -> dict[int, list[ReasonPhrase]]:
        """What speaks for the outcome besides rules, of the few rows where something does."""
        found: dict[int, list[ReasonPhrase]] = {}
        stopped = np.flatnonzero(decisions.outcomes)
        if not len(stopped) or not ("models" in decisions.versions or decisions.filled("degraded")):
            return found
        names = ("factors", "factor_weights", "reasons", "model")
        columns = [decisions.values(name) for name in names]
        for row in stopped.tolist():
            inputs, weights, codes, model = (column[row] for column in columns)
            texts = self._texts(model) if model else {}
            known = partial(_is_known, values.of(row, {}))
            said = spoken(codes, zip(inputs, weights, strict=True), texts, known)
            if said:
                found[row] = [
                    ReasonPhrase(why.code, source_of(why.code), sentence(why.analyst), why.customer)
                    for why in said
                ]
        return found

    def _phrases_of(self, digest: str) -> Phrases | None:
        if digest not in self._phrases:
            ruleset = self._rules(digest)
            if ruleset is None:
                return None
            if len(self._phrases) >= _RULE_SETS:
                self._phrases.clear()
            self._phrases[digest] = Phrases(ruleset)
        return self._phrases[digest]


class _Values:
    """What the names in rules' texts stand for; a feature's column is read when it is first named."""

    def __init__(self, decisions: DecisionBatch) -> None:
        self._decisions = decisions
        self._known = frozenset(decisions.feature_names)
        self._columns: dict[str, list[float | None]] = {}

    def of(self, row: int, typologies: dict[str, float]) -> Callable[[str], float | str | None]:
        """For one decision; a name that means nothing stays as it stands."""

        def value(name: str) -> float | str | None:
            kind, _, rest = name.partition(".")
            if kind == "typology":
                return typologies.get(rest, 0.0)
            if name not in self._known and name != PROBABILITY:
                return f"{{{name}}}"
            if name not in self._columns:
                stored = "probability" if name == PROBABILITY else name
                self._columns[name] = self._decisions.values(stored)
            return self._columns[name][row]

        return value


def _is_known(value: Callable[[str], float | str | None], name: str) -> bool:
    """Whether an input has a value; one that is no feature is taken to have one."""
    return value(name) is not None


def _reasons(
    phrases: Phrases | None,
    rules: list[str],
    codes: list[str],
    value: Callable[[str], float | str | None],
    models: Iterable[ReasonPhrase],
) -> bytes:
    if phrases is None:
        return codes_only(codes)
    return phrases.say(rules, value, models)


def _told(
    decisions: DecisionBatch,
    row: int,
    phrases: Phrases | None,
    values: _Values,
    models: Iterable[ReasonPhrase],
) -> bytes:
    """The reasons of one decision of many."""
    rules, codes, names, scores = (
        decisions.table.column(name)[row].as_py()
        for name in ("rules", "reasons", "typologies", "typology_scores")
    )
    return _reasons(phrases, rules, codes, values.of(row, dict(zip(names, scores, strict=True))), models)


@lru_cache(_KEPT)
def _number(value: float | None) -> bytes:
    return _ENCODER.encode(value)


@lru_cache(_KEPT)
def _text(value: str) -> bytes:
    return _ENCODER.encode(value)
