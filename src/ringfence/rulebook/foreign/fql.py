"""Rules and velocities of Dynamics 365 Fraud Protection, written in FQL, to rules and features of ours."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError
from ringfence.features.durations import DAY_MS, parse_duration_ms
from ringfence.rulebook.foreign import functions, grammar
from ringfence.rulebook.foreign.order import RuleDraft, add_rules
from ringfence.rulebook.foreign.result import MAX_RULES, ForeignRefusal, Imported, Wishes, read_source
from ringfence.rulebook.foreign.statements import ForeignScope, Statement, scopes_of
from ringfence.rulebook.foreign.tokens import Token, TokenKind, Untranslatable, check_readable
from ringfence.rulebook.foreign.velocities import Velocity, unquoted
from ringfence.rulebook.foreign.writing import Value, Writer, literal
from ringfence.scoring.language.names import EVENT_NAMES, Type
from ringfence.scoring.rulesets.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: Final = {
    "user.userid": "customer_id",
    "user.email": "email",
    "email": "email",
    "user.phonenumber": "phone",
    "device.ipaddress": "ip",
    "deviceattributes.ipaddress": "ip",
    "ipaddress": "ip",
    "device.devicecontextid": "device_id",
    "device.externaldeviceid": "device_id",
    "deviceattributes.deviceid": "device_id",
    "totalamount": "amount",
    "currency": "currency",
    "purchaseid": "transaction_id",
    "merchantlocaldate": "event_time",
    "paymentinstrumentlist.merchantpaymentinstrumentid": "card_id",
    "paymentinstrumentlist.bin": "card_bin",
    "paymentinstrumentlist.cardbin": "card_bin",
    "card.bin": "card_bin",
    "storefront": "merchant_id",
    "salestype": "channel",
}
"""Attributes of a purchase that have a field here, in small letters, without `purchase.` and `request.`."""

_DECISIONS: Final = {
    "approve": Outcome.APPROVE,
    "challenge": Outcome.CHALLENGE,
    "review": Outcome.REVIEW,
    "reject": Outcome.DECLINE,
}
_DEFAULTS: Final[dict[Type | None, float | str | bool]] = {
    Type.TEXT: "",
    Type.NUMBER: 0.0,
    Type.BOOLEAN: False,
}
_TIME_PARTS: Final = {
    **{part: part for part in ("year", "month", "day", "hour", "minute", "second")},
    "dayofweek": "dow",
}
_SUPPORT: Final = {"issafe": "safe", "isblock": "block", "iswatch": "watch", "insupportlist": ""}
_MOST_EXPANDED: Final = 500
_IGNORED: Final = {
    "observe": "OBSERVE logs values and decides nothing: a decision here holds its features anyway",
    "routeto": "ROUTETO sends cases to a queue: routing belongs to cases here, not to rules",
    "do": "DO acts after the decision: here followers and alerts do",
}


def read_fql(text: str, wishes: Wishes | None = None) -> Imported:
    """Rules and velocities of a text; InputError where it is no FQL at all."""
    wishes = wishes or Wishes()
    text = read_source(text)
    try:
        scopes = scopes_of(text)
    except Untranslatable as why:
        line = text.count("\n", 0, why.at) + 1
        raise InputError(f"line {line}: {why.reason}") from why
    statements = [(scope, one) for scope in scopes for one in scope.statements]
    if not statements:
        raise InputError("no RETURN and no SELECT stands in it: is it FQL?")
    if len(statements) > MAX_RULES:
        raise InputError(
            f"{len(statements):,} statements in one file: {MAX_RULES:,} are taken at most: split it"
        )
    found = Imported()
    found.notes += [
        f"Nothing comes of {one.name}: it has a WHEN and no RETURN." for one in scopes if not one.statements
    ]
    reader = _Reader(text, wishes, found)
    for scope, statement in statements:
        if statement.keyword == "select":
            reader.learn(scope, statement)
    drafts = [draft for scope, one in statements if (draft := reader.draft(scope, one))]
    first = wishes.first_matched is not False
    add_rules(found, drafts, wishes, first_matched=first, product="fql")
    reader.tell_of_unused()
    return found


class _Reader:
    """Reads the statements of one file; also what attributes and functions of FQL mean here."""

    untyped: Type | None = Type.TEXT  # as FQL takes what nothing tells

    def __init__(self, text: str, wishes: Wishes, found: Imported) -> None:
        self._text, self._wishes, self._found = text, wishes, found
        self._writer = Writer(self)
        self._velocities: dict[str, Velocity] = {}
        self._used: set[str] = set()
        self._scope = ForeignScope("")
        self._expanded = 0  # variables written out in this rule
        self._open: tuple[str, ...] = ()  # variables that are being read, so that none contains itself

    def learn(self, scope: ForeignScope, statement: Statement) -> None:
        """Keep a velocity for the rules that ask for it."""
        try:
            found = self._velocity_of(scope, statement)
            self._velocities[found.name.lower()] = found
        except Untranslatable as why:
            self._refuse(statement, why)

    def _velocity_of(self, scope: ForeignScope, statement: Statement) -> Velocity:
        name = "".join(token.text for token in statement.parts.get("as", ()))
        key, events = statement.parts.get("groupby"), statement.parts.get("from")
        check_readable([*statement.parts.get("as", ()), *(events or ())])
        if not name or not key or not events:
            raise Untranslatable("a velocity is SELECT ... AS name FROM events GROUPBY key", statement.at)
        return Velocity(
            name,
            self._parsed(statement.tokens, statement),
            tuple(token.text for token in events if token.kind is TokenKind.WORD),
            self._parsed(key, statement),
            self._conditions(scope, statement),
        )

    def draft(self, scope: ForeignScope, statement: Statement) -> RuleDraft | None:
        """The rule that a RETURN is; None where it is none, or cannot be translated."""
        if statement.keyword == "select":
            return None
        self._scope, self._expanded = scope, 0
        if statement.keyword in _IGNORED:
            self._refuse(statement, Untranslatable(_IGNORED[statement.keyword], statement.at))
            return None
        try:
            outcome, reason = self._decision(statement)
            written = [self._writer.condition(one) for one in self._conditions(scope, statement)]
        except Untranslatable as why:
            self._refuse(statement, why)
            return None
        return RuleDraft(statement.name, " AND ".join(written) or "TRUE", outcome, reason or statement.name)

    def tell_of_unused(self) -> None:
        """Say which velocities no rule asks for: they became no features."""
        idle = [one.name for key, one in self._velocities.items() if key not in self._used]
        if idle:
            self._found.note(f"No rule asks for the velocities {', '.join(idle)}: they became no features.")

    def _conditions(self, scope: ForeignScope, statement: Statement) -> tuple[grammar.ForeignNode, ...]:
        """The condition of the rule or velocity set, and the statement's own."""
        own = [statement.parts["when"]] if "when" in statement.parts else []
        return tuple(self._parsed(one, statement) for one in (*scope.conditions, *own))

    def _decision(self, statement: Statement) -> tuple[Outcome, str]:
        tokens = _until_comma(statement.tokens)
        call = self._parsed(tokens, statement)
        outcome = _DECISIONS.get(call.name.lower()) if isinstance(call, grammar.Call) else None
        if outcome is None or not isinstance(call, grammar.Call):
            raise Untranslatable("RETURN gives Approve(), Challenge(), Review() or Reject()", statement.at)
        texts = [
            a.value for a in call.arguments if isinstance(a, grammar.Literal) and isinstance(a.value, str)
        ]
        texts = texts[1:] if outcome is Outcome.CHALLENGE else texts  # the first is the challenge's type
        return outcome, texts[0] if texts else ""

    def _parsed(self, tokens: Sequence[Token], statement: Statement) -> grammar.ForeignNode:
        return grammar.Parser(tokens, statement.end()).whole()

    def _refuse(self, statement: Statement, why: Untranslatable) -> None:
        line = self._text.count("\n", 0, why.at) + 1
        column = why.at - self._text.rfind("\n", 0, why.at)
        expression = " ".join(self._text[statement.at : statement.end()].split())
        self._found.refused.append(ForeignRefusal(statement.name, expression, why.reason, line, column))

    def name(self, node: grammar.ForeignNode, wanted: Type | None) -> Value:
        if isinstance(node, grammar.Variable):
            return self._variable(node, wanted)
        if not isinstance(node, grammar.Attribute):
            raise Untranslatable("an attribute is needed here", node.at)
        path = node.path
        if "[" in path:
            raise Untranslatable(f"@{path} is an element of an array: a payment here has no arrays", node.at)
        if path.lower().split(".")[-1] == "riskscore":
            return self._score()
        if path.lower().startswith("ruleevaluation"):
            raise Untranslatable("a decision's own outcome: features here are of payments", node.at)
        plain = re.sub(r"^(purchase\.|request\.)+", "", path.lower())
        field = self._wishes.names.get(path) or NAMES.get(plain) or _attribute(path)
        kind = EVENT_NAMES.get(field) or (wanted if _is_free(field) else Type.NUMBER)
        return Value(field, kind, None if field in ("amount", "event_time") else _DEFAULTS.get(kind))

    def _variable(self, node: grammar.Variable, wanted: Type | None) -> Value:
        if node.name not in self._scope.variables or node.name in self._open:
            raise Untranslatable(f"${node.name} is not defined in this rule", node.at)
        self._expanded += 1
        if self._expanded > _MOST_EXPANDED:
            raise Untranslatable("with its variables written out, the rule is too long", node.at)
        before, self._open = self._open, (*self._open, node.name)
        try:
            tokens = self._scope.variables[node.name]
            found = self._writer.value(grammar.Parser(tokens, tokens[-1].end).whole(), wanted)
        finally:
            self._open = before
        plain = found.missing is not None or re.fullmatch(r"[\w.\"]+", found.sql)
        return found if plain else replace(found, sql=f"({found.sql})")

    def _score(self) -> Value:
        self._found.note(
            "Risk scores (0 to 999) became model.score * 10 of your own model. The scales agree, the models "
            "do not: choose thresholds anew with `ringfence tune`."
        )
        return Value("model.score * 10", Type.NUMBER, None)

    def call(self, writer: Writer, node: grammar.Call) -> Value | None:  # noqa: PLR0911 (one line a kind)
        name = node.name.lower()
        if name.startswith("velocity."):
            return self._velocity(writer, node)
        if name in (".score", "model.risk.score"):
            inner = node.arguments[0] if node.arguments else None
            is_risk = isinstance(inner, grammar.Call) and inner.name.lower() == "model.risk"
            return self._score() if is_risk else None
        if name.startswith("datetime.utcnow."):
            return self._now(name.rpartition(".")[2])
        if name == "in":
            left, listed = functions.two(node)
            items = [part.strip() for part in writer.constant(listed, "the list of values").split(",")]
            value = writer.value(left, Type.TEXT)
            held = value.filled() if "" in items else value.sql
            return Value(f"{held} IN ({', '.join(literal(item) for item in items)})", Type.BOOLEAN)
        if name == "containskey" and len(node.arguments) == 3:
            listed, _, value_node = node.arguments
            return self._on_list(writer, value_node, writer.constant(listed, "the list's name"))
        if name in _SUPPORT:
            listed, value_node = functions.two(node)
            named = " ".join((writer.constant(listed, "the list's name"), _SUPPORT[name])).strip()
            return self._on_list(writer, value_node, named)
        return functions.shared(writer, node)

    def listed(self, writer: Writer, node: grammar.Binary) -> str | None:  # noqa: ARG002 (every dialect's)
        return None  # FQL asks for lists by functions

    def _now(self, part: str) -> Value | None:
        ours = _TIME_PARTS.get(part)
        if ours is None:
            return None
        self._found.note("DateTime.UtcNow became the payment's own time, so that a replay decides the same.")
        return Value(f"EXTRACT({ours} FROM event_time AT TIME ZONE 'UTC')", Type.NUMBER)

    def _on_list(self, writer: Writer, node: grammar.ForeignNode, name: str) -> Value:
        self._found.note(
            f"Rules ask for the list {name!r}: fill it with `ringfence lists import {literal(name)} FILE`."
        )
        return functions.in_list(writer, node, name)

    def _velocity(self, writer: Writer, node: grammar.Call) -> Value:
        name = node.name.partition(".")[2]
        velocity = self._velocities.get(name.lower())
        if velocity is None:
            raise Untranslatable(
                f"velocity {name} is not in the file: put its SELECT beside the rules", node.at
            )
        key, window = functions.two(node)
        if not isinstance(window, grammar.Duration) or parse_duration_ms(window.text) > 90 * DAY_MS:
            raise Untranslatable("a velocity's window is written as 10m, 2h or 7d, at most 90d", window.at)
        asked, grouped = (unquoted(writer.value(part, Type.TEXT).sql) for part in (key, velocity.key))
        if asked != grouped:
            raise Untranslatable(f"{name} is grouped by {grouped}, not by {asked}", key.at)
        bound = velocity.feature(writer, window.text)
        self._used.add(name.lower())
        if bound not in self._found.features:
            self._found.features.append(bound)
        self._found.note(
            "Windows of velocities begin at a whole minute, hour or day; those of features reach back just "
            "as far as they say. Both leave out the current payment."
        )
        return Value(bound.feature.name, Type.NUMBER, 0.0)


def _until_comma(tokens: list[Token]) -> list[Token]:
    """What stands before the first comma outside of brackets."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0 and token.is_sign(","):
            return tokens[:index]
    return tokens


def _attribute(path: str) -> str:
    return f"attributes.{path}" if re.fullmatch(r"[A-Za-z_]\w*", path) else f'attributes."{path}"'


def _is_free(field: str) -> bool:
    return field.startswith("attributes.") or ".profile." in field
