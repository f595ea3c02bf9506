"""Rules of Amazon Fraud Detector, as `aws frauddetector get-rules` prints them, to rules of ours.

What `get-detector-version` (order, and whether the first match decides) and `get-variables` (types and
defaults) print may stand in the same JSON object.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.errors import InputError
from ringfence.rulebook.foreign import functions, grammar
from ringfence.rulebook.foreign.order import RuleDraft, add_rules
from ringfence.rulebook.foreign.patterns import of_expression
from ringfence.rulebook.foreign.result import MAX_RULES, ForeignRefusal, Imported, Wishes, read_source
from ringfence.rulebook.foreign.tokens import Untranslatable, tokens_of
from ringfence.rulebook.foreign.writing import Value, Writer
from ringfence.scoring.language.names import EVENT_NAMES, Type

if TYPE_CHECKING:
    from ringfence.scoring.rulesets.outcomes import Outcome

NAMES: Final = {
    **dict.fromkeys(("event_timestamp",), "event_time"),
    **dict.fromkeys(("event_id",), "transaction_id"),
    **dict.fromkeys(("entity_id", "customer_id", "user_id"), "customer_id"),
    **dict.fromkeys(
        ("order_price", "price", "amount", "transaction_amount", "order_amount", "amt"), "amount"
    ),
    **dict.fromkeys(("currency", "payment_currency", "currency_code", "order_currency"), "currency"),
    **dict.fromkeys(("ip", "ip_address", "customer_ip"), "ip"),
    **dict.fromkeys(("email", "email_address", "customer_email"), "email"),
    **dict.fromkeys(("phone", "phone_number", "customer_phone"), "phone"),
    **dict.fromkeys(("card_bin", "card_id", "account_id", "merchant_id", "device_id", "terminal_id"), ""),
    **dict.fromkeys(("merchant_category", "merchant_category_code", "mcc", "category"), "merchant_category"),
    **dict.fromkeys(("channel", "entry_mode"), ""),
}
"""Variables that have a field here, in small letters; an empty text means the same name."""

_TYPES: Final = {
    "STRING": Type.TEXT,
    "DATETIME": Type.TEXT,
    "INTEGER": Type.NUMBER,
    "FLOAT": Type.NUMBER,
    "BOOLEAN": Type.BOOLEAN,
}
_SCORE: Final = "insightscore"


class _Variable(msgspec.Struct, rename="camel"):
    name: str
    data_type: str = ""
    default_value: str | None = None


class _Rule(msgspec.Struct, rename="camel"):
    rule_id: str
    expression: str = ""
    rule_version: str = "1"
    description: str = ""
    outcomes: list[str] = []


class _Reference(msgspec.Struct, rename="camel"):
    rule_id: str
    rule_version: str = ""


class _Export(msgspec.Struct, rename="camel"):
    rule_details: list[_Rule] = []
    rules: list[_Reference] = []
    rule_execution_mode: str = ""
    variables: list[_Variable] = []


def read_detector(text: str, wishes: Wishes | None = None) -> Imported:
    """Rules of an export; InputError where it is none."""
    wishes = wishes or Wishes()
    export = _decoded(read_source(text))
    rules = _chosen(export)
    if len(rules) > MAX_RULES:
        raise InputError(f"{len(rules):,} rules in one export: {MAX_RULES:,} are taken at most: split it")
    first = wishes.first_matched
    first = export.rule_execution_mode != "ALL_MATCHED" if first is None else first
    found = Imported()
    writer = Writer(_Detector(export, wishes, found))
    drafts = [draft for rule in rules if (draft := _draft(rule, writer, wishes, found))]
    add_rules(found, drafts, wishes, first_matched=first, product="fraud-detector")
    return found


def _decoded(text: str) -> _Export:
    try:
        data: Any = msgspec.json.decode(text)
        if isinstance(data, list):
            data = {"ruleDetails": data}
        elif isinstance(data, dict) and "ruleId" in data and "ruleDetails" not in data:
            data = {"ruleDetails": [data]}
        export = msgspec.convert(data, _Export)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise InputError(f"this is no export of Fraud Detector's rules ({error}): {_REMEDY}") from error
    if not export.rule_details:
        raise InputError(f"no rules stand in it under ruleDetails: {_REMEDY}")
    return export


_REMEDY: Final = "use what `aws frauddetector get-rules --detector-id NAME` prints"


def _chosen(export: _Export) -> list[_Rule]:
    """The rules of the detector's version in its order, else the newest version of each.

    `InputError` where a version of a rule says two things: neither is passed over in silence.
    """
    by_key: dict[tuple[str, str], _Rule] = {}
    for rule in export.rule_details:
        key = rule.rule_id, rule.rule_version
        if by_key.setdefault(key, rule) != rule:
            raise InputError(
                f"version {rule.rule_version} of rule {rule.rule_id} stands there twice and differs: "
                "import each detector from a file of its own"
            )
    if export.rules:
        missing = [ref.rule_id for ref in export.rules if (ref.rule_id, ref.rule_version) not in by_key]
        if missing:
            raise InputError(
                f"the detector's version names rules that ruleDetails lacks: {', '.join(missing)}"
            )
        return [by_key[ref.rule_id, ref.rule_version] for ref in export.rules]
    newest: dict[str, _Rule] = {}
    for rule in export.rule_details:
        held = newest.get(rule.rule_id)
        if held is None or _number(rule.rule_version) > _number(held.rule_version):
            newest[rule.rule_id] = rule
    return list(newest.values())


def _number(version: str) -> float:
    return float(version) if version.isdecimal() and len(version) < 9 else 0.0


def _draft(rule: _Rule, writer: Writer, wishes: Wishes, found: Imported) -> RuleDraft | None:
    try:
        outcome, tags = _outcome(rule, wishes)
        parsed = grammar.Parser(tokens_of(rule.expression), len(rule.expression)).whole()
        return RuleDraft(rule.rule_id, writer.condition(parsed), outcome, rule.description, tags=tags)
    except Untranslatable as why:
        line = rule.expression.count("\n", 0, why.at) + 1
        column = why.at - rule.expression.rfind("\n", 0, why.at)
        found.refused.append(ForeignRefusal(rule.rule_id, rule.expression, why.reason, line, column))
        return None


def _outcome(rule: _Rule, wishes: Wishes) -> tuple[Outcome, tuple[str, ...]]:
    """The strictest of its outcomes, and the names that stand for none here, which become tags."""
    known = {name: wishes.outcome(name) for name in rule.outcomes}
    ours = [outcome for outcome in known.values() if outcome is not None]
    if not ours:
        told = ", ".join(rule.outcomes)[:200] or "none"
        raise Untranslatable(f"no outcome here stands for {told}: say --outcome NAME=review, for instance")
    strictest = max(ours, key=lambda outcome: outcome.strictness)
    return strictest, tuple(name for name, outcome in known.items() if outcome is None)


class _Detector:
    """What variables and functions of Fraud Detector mean here."""

    untyped: Type | None = None

    def __init__(self, export: _Export, wishes: Wishes, found: Imported) -> None:
        self._variables = {one.name: one for one in export.variables}
        self._wishes = wishes
        self._found = found
        if not export.variables:
            found.note(
                "The export has no variables, so their defaults are not known: a rule does not fire where a "
                "variable that it asks for is missing. Add what `aws frauddetector get-variables` prints."
            )

    def name(self, node: grammar.ForeignNode, wanted: Type | None) -> Value:
        if not isinstance(node, grammar.Variable):
            raise Untranslatable("a list stands where a value is needed", node.at)
        if node.name.lower().endswith(_SCORE):
            self._found.note(
                "Scores of Fraud Detector's models (0 to 1000) became model.score * 10 of your own model. "
                "The scales agree, the models do not: choose thresholds anew with `ringfence tune`."
            )
            return Value("model.score * 10", Type.NUMBER)
        said = self._wishes.names.get(node.name)
        ours = said or NAMES.get(node.name.lower())
        field = node.name.lower() if ours == "" else ours or f"attributes.{node.name}"
        told = self._variables.get(node.name)
        kind = EVENT_NAMES.get(field) or (_TYPES.get(told.data_type) if told else None) or wanted
        return Value(field, kind, _default(told, kind) if field != "amount" else None)

    def call(self, writer: Writer, node: grammar.Call) -> Value | None:
        name = node.name.lower()
        if name == "regex_match":
            pattern, value = functions.two(node)
            told = writer.constant(pattern, "the regular expression")
            return Value(of_expression(writer.text(value), told, pattern.at), Type.BOOLEAN)
        if name in ("getepochmilliseconds", "getepochseconds"):
            moment = self._moment(functions.one(node))
            return Value(moment if name.endswith("milliseconds") else f"{moment} / 1000", Type.NUMBER)
        if name in ("isbefore", "isafter"):
            left, right = (self._moment(part) for part in functions.two(node))
            return Value(f"{left} {'<' if name == 'isbefore' else '>'} {right}", Type.BOOLEAN)
        return functions.shared(writer, node)

    def listed(self, writer: Writer, node: grammar.Binary) -> str | None:
        if not isinstance(node.right, grammar.Attribute):
            return None
        self._found.note(
            "Lists are no part of an export of rules: bring each in with `ringfence lists import NAME FILE`."
        )
        return functions.in_list(writer, node.left, node.right.path).sql

    def _moment(self, node: grammar.ForeignNode) -> str:
        if isinstance(node, grammar.Variable) and self.name(node, None).sql == "event_time":
            return "event_time"
        if isinstance(node, grammar.Literal) and isinstance(node.value, str):
            try:
                moment = datetime.fromisoformat(node.value)
            except ValueError:
                raise Untranslatable(f"{node.value[:40]!r} is no time", node.at) from None
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return f"{moment.timestamp() * 1000:.0f}"
        raise Untranslatable(
            "a rule here knows the time of the payment alone, and times that stand there", node.at
        )


def _default(told: _Variable | None, kind: Type | None) -> float | str | bool | None:
    """What Fraud Detector takes for a variable that an event leaves out."""
    if told is None or told.default_value is None:
        return None
    if kind is Type.BOOLEAN:
        return told.default_value.lower() == "true"
    if kind is not Type.NUMBER:
        return told.default_value
    try:
        number = float(told.default_value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
