"""Conditions that can never be true, found without any payment: values out of range, contradictions.

Only what is certain is refused. A comparison is TRUE for values that are not null and in the range that their
names have (`ranges`); AND adds up what its parts say of the same value. Constants, such as FALSE or a
parameter compared with a number, are taken as meant: that is how a part is switched off.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from ringfence.errors import RuleError
from ringfence.scoring.language.expression import COMPARISONS, Scope, read, strip
from ringfence.scoring.language.known_values import Contradiction, Fact, Facts, all_of, one_of, shown
from ringfence.scoring.language.names import Type
from ringfence.scoring.language.ranges import Range, ranges_of, value_range
from ringfence.scoring.language.syntax import chain
from ringfence.scoring.language.values import never, never_like
from ringfence.scoring.rulesets.outcomes import Mode
from ringfence.scoring.rulesets.rules import names_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ringfence.features.spec import FeatureSpec
    from ringfence.scoring.rulesets.ruleset import RuleSet

_NEGATED: Final = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: Final = {"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_RELATIONS: Final = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NULL, _KNOWN = frozenset[object]({"null"}), frozenset[object]({"known"})


def check_possible(
    ruleset: RuleSet,
    spec: FeatureSpec,
    extra: Mapping[str, Type] | None = None,
    before: RuleSet | None = None,
) -> None:
    """`RuleError` names the first rule or signal with a part that can never be true, and points at it.

    Rules that do not compile are passed over, as are archived ones and those of `before` that stay as they
    are. `extra` as of `compile_rules`.
    """
    names = names_for(ruleset.typologies, spec, extra or {})
    known = ranges_of(spec, [one.name for one in ruleset.typologies])
    old = set(_conditions(before)) if before is not None else set()
    for who, text, parameters in _conditions(ruleset):
        if (who, text, parameters) in old:
            continue
        try:
            parsed = read(text, dict(parameters))
            scope = Scope(parsed, names, None)
            for column in parsed.tree.find_all(exp.Column):
                scope.name(column)
        except RuleError:
            continue
        try:
            Possible(scope, known).check()
        except RuleError as error:
            raise RuleError(f"{who}: {error}") from error


def has_new_conditions(ruleset: RuleSet, before: RuleSet) -> bool:
    """Whether a rule or signal listens to what none of `before` does; another mode or text is nothing new."""
    return not set(_conditions(ruleset)) <= set(_conditions(before))


def _conditions(ruleset: RuleSet) -> Iterator[tuple[str, str, tuple[tuple[str, float | str], ...]]]:
    """Whose each condition is, its text and parameters."""
    for rule in ruleset.rules:
        if rule.mode is not Mode.ARCHIVED:
            yield f"rule {rule.id!r}", rule.when, tuple(sorted(rule.parameters.items()))
    for one in ruleset.typologies:
        if one.mode is not Mode.ARCHIVED:
            for number, signal in enumerate(one.signals, start=1):
                who = f"typology {one.id!r}, signal {number}"
                yield who, signal.when, tuple(sorted(one.parameters.items()))


class Possible:
    """Looks through one condition, whose names and types are known to be right."""

    def __init__(self, scope: Scope, known: dict[str, Range]) -> None:
        self._scope = scope
        self._known = known

    def check(self) -> None:
        """`RuleError` where the condition, or a part of it that is written to be true, never is."""
        tree = self._scope.parsed.tree
        self._facts(tree, true=True)
        for case in tree.find_all(exp.Case):
            if case.args.get("this") is None:
                for branch in case.args["ifs"]:
                    self._facts(branch.this, true=True)

    def _facts(self, node: exp.Expression, *, true: bool) -> Facts:  # noqa: C901, PLR0911 (one line a kind)
        """What is known where a condition is TRUE, or where it is FALSE."""
        node = strip(node)
        if isinstance(node, exp.Not):
            return self._facts(node.this, true=not true)
        if isinstance(node, exp.Or if true else exp.And):
            return self._alternatives(node, true=true)
        if isinstance(node, (exp.And, exp.Or)):
            return self._all([self._facts(part, true=true) for part in chain(node)])
        if type(node) in COMPARISONS:
            sign = COMPARISONS[type(node)]
            return self._compared(node, sign if true else _NEGATED[sign], node.this, node.expression)
        if isinstance(node, exp.Between):
            return self._between(node, true=true)
        if isinstance(node, exp.In):
            return self._in(node, true=true)
        if isinstance(node, exp.Is):
            return self._is(node, true=true)
        if isinstance(node, exp.Like):
            if true != bool(node.args.get("negate")):
                self._refuse_other_case(node, node.this, node.expression)
                self._refuse_unlike(node)
            return self._not_null(node, node.this)
        if isinstance(node, exp.Column):
            return {("truth", self._text(node)): Fact(node, among=frozenset({true}))}
        return {}

    def _alternatives(self, node: exp.Expression, *, true: bool) -> Facts:
        """Of an OR each part has to be possible: it was written for that. Of a NOT (... AND ...) any."""
        if true:
            return one_of([self._facts(part, true=True) for part in chain(node)])
        return self._any_of([partial(self._facts, part, true=False) for part in chain(node)])

    @staticmethod
    def _any_of(looks: Sequence[Callable[[], Facts]]) -> Facts:
        """Refused only where each look is."""
        found: list[Facts] = []
        refused: RuleError | None = None
        for look in looks:
            try:
                found.append(look())
            except RuleError as error:
                refused = refused or error
        if not found and refused is not None:
            raise refused
        return one_of(found)

    def _all(self, parts: list[Facts]) -> Facts:
        try:
            return all_of(parts)
        except Contradiction as found:
            raise self._scope.error(
                f"this can never be true: {_as_said(found.later)} contradicts {_as_said(found.earlier)}",
                found.later,
                "correct one of the two, or write OR between them",
            ) from found

    def _between(self, node: exp.Between, *, true: bool) -> Facts:
        low, high = node.args["low"], node.args["high"]
        if not true:
            return self._any_of(
                [
                    partial(self._compared, node, "<", node.this, low),
                    partial(self._compared, node, ">", node.this, high),
                ]
            )
        above, below = (
            self._compared(node, ">=", node.this, low),
            self._compared(node, "<=", node.this, high),
        )
        try:
            return all_of([above, below])
        except Contradiction as found:
            raise self._scope.error(
                f"this can never be true: nothing is from {shown(low)} up to {shown(high)}",
                node,
                f"write the smaller bound first, or {shown(node.this)} >= {shown(low)} OR "
                f"{shown(node.this)} <= {shown(high)}",
            ) from found

    def _compared(
        self, node: exp.Expression, sign: str, left: exp.Expression, right: exp.Expression
    ) -> Facts:
        left, right = strip(left), strip(right)
        kind = self._scope.common_type([left, right]) or Type.NUMBER
        if kind is Type.BOOLEAN or not (_varies(left) or _varies(right)):
            return {}
        facts = self._not_null(node, left) | self._not_null(node, right)
        if kind is Type.NUMBER:
            facts |= self._numbers(node, sign, left, right)
        else:
            facts |= self._texts(node, sign, left, right)
        if _varies(left) and _varies(right):
            facts |= self._related(node, sign, left, right, kind)
        return facts

    def _numbers(self, node: exp.Expression, sign: str, left: exp.Expression, right: exp.Expression) -> Facts:
        facts: Facts = {}
        for side, other, seen in ((left, right, sign), (right, left, _MIRRORED[sign])):
            if not _varies(side):
                continue
            own, bound = (value_range(self._scope, self._known, part) for part in (side, other))
            without = frozenset[object]()
            if seen == "=":
                met = own.meet(bound)
            elif seen == "!=":
                met, without = own, frozenset({bound.low} if bound.low == bound.high else ())
            elif seen in ("<", "<="):
                met = own.meet(Range(high=bound.high, below=bound.below or seen == "<"))
            else:
                met = own.meet(Range(low=bound.low, above=bound.above or seen == ">"))
            fact = Fact(node, met, without=without)
            if fact.empty or bound.empty:
                raise self._never(node, side, own, bound)
            facts["number", self._text(side)] = fact
        return facts

    def _never(self, node: exp.Expression, side: exp.Expression, own: Range, bound: Range) -> RuleError:
        remedy = ""
        if (own.low, own.high) == (0, 1) and not own.whole and 1 < bound.low == bound.high <= 100:
            remedy = f"{bound.low:g} % is {bound.low / 100:g} here"
        what = f"{shown(side)} is always {own}" if own.low == own.high else f"{shown(side)} is {own}"
        if own.empty:
            what = f"{shown(side)} is always null"
        return self._scope.error(f"this can never be true: {what}", node, remedy)

    def _texts(self, node: exp.Expression, sign: str, left: exp.Expression, right: exp.Expression) -> Facts:
        for side, other in ((left, right), (right, left)):
            if not isinstance(other, exp.Literal) or sign not in ("=", "!="):
                continue
            one = frozenset[object]({other.name})
            if sign == "!=":
                return {("text", self._text(side)): Fact(node, without=one)}
            self._refuse_no_value(node, side, other)
            return {("text", self._text(side)): Fact(node, among=one)}
        return {}

    def _refuse_no_value(self, node: exp.Expression, side: exp.Expression, literal: exp.Expression) -> None:
        """Where the other side is never this text."""
        side, literal = strip(side), strip(literal)
        self._refuse_other_case(node, side, literal)
        if isinstance(side, exp.Column) and isinstance(literal, exp.Literal):
            found = never(self._scope.name(side), literal.name)
            if found is not None:
                raise self._scope.error(f"this can never be true: {found.holds}", node, found.remedy)

    def _refuse_other_case(self, node: exp.Expression, side: exp.Expression, literal: exp.Expression) -> None:
        side, literal = strip(side), strip(literal)
        if not isinstance(side, (exp.Lower, exp.Upper)) or not isinstance(literal, exp.Literal):
            return
        lower = isinstance(side, exp.Lower)
        if any(char.isascii() and (char.isupper() if lower else char.islower()) for char in literal.name):
            case = "small" if lower else "capital"
            fixed = literal.name.lower() if lower else literal.name.upper()
            raise self._scope.error(
                f"this can never be true: {shown(side)} has {case} letters only",
                node,
                f"write {shown(exp.Literal.string(fixed))}",
            )

    def _refuse_unlike(self, node: exp.Like) -> None:
        side, literal = strip(node.this), strip(node.expression)
        if isinstance(side, exp.Column) and isinstance(literal, exp.Literal):
            found = never_like(self._scope.name(side), literal.name)
            if found is not None:
                raise self._scope.error(f"this can never be true: {found.holds}", node, found.remedy)

    def _related(
        self, node: exp.Expression, sign: str, left: exp.Expression, right: exp.Expression, kind: Type
    ) -> Facts:
        """How two values stand to each other: less, equal or greater."""
        one, other = self._text(left), self._text(right)
        if one == other and "=" not in _RELATIONS[sign]:
            raise self._scope.error("this can never be true: both sides are the same", node)
        if one > other:
            one, other, sign = other, one, _MIRRORED[sign]
        return {("pair", kind, one, other): Fact(node, among=frozenset(_RELATIONS[sign]))}

    def _in(self, node: exp.In, *, true: bool) -> Facts:
        side = strip(node.this)
        if not _varies(side):
            return {}
        facts = self._not_null(node, side)
        if (field := node.args.get("field")) is not None:
            return facts | {("list", self._text(side), field.name): Fact(node, among=frozenset({true}))}
        values = [strip(value) for value in node.expressions]
        kind = self._scope.common_type([side, *values]) or Type.NUMBER
        constants = not any(map(_varies, values))
        if kind is Type.BOOLEAN or not constants:
            return facts
        if kind is Type.TEXT:
            if true and (_is_plain(node) or len(values) == 1):
                for value in values:
                    self._refuse_no_value(value, side, value)
            names = frozenset[object](value.name for value in values if isinstance(value, exp.Literal))
            if len(names) < len(values) and not all(isinstance(value, exp.Literal) for value in values):
                return facts
            fact = Fact(node, among=names) if true else Fact(node, without=names)
            return facts | {("text", self._text(side)): fact}
        return facts | self._in_numbers(node, side, values, true=true)

    def _in_numbers(
        self, node: exp.In, side: exp.Expression, values: list[exp.Expression], *, true: bool
    ) -> Facts:
        own = value_range(self._scope, self._known, side)
        ranges = [value_range(self._scope, self._known, value) for value in values]
        points = frozenset[object](float(one.low) for one in ranges if one.low == one.high)
        if not true:
            fact = Fact(node, own, without=points)
            if fact.empty:
                raise self._scope.error(f"this can never be true: {shown(side)} is {own}", node)
            return {("number", self._text(side)): fact}
        fits = [not own.meet(one).empty for one in ranges]
        for value, fit in zip(values, fits, strict=True):
            if not fit and (_is_plain(node) or not any(fits)):
                raise self._scope.error(
                    f"{shown(side)} is never {shown(value)}: it is {own}", value, "leave this value out"
                )
        among = points if all(one.low == one.high for one in ranges) else None
        return {("number", self._text(side)): Fact(node, own, among=among)}

    def _is(self, node: exp.Is, *, true: bool) -> Facts:
        wanted, inner = strip(node.expression), strip(node.this)
        if isinstance(wanted, exp.Boolean):
            return self._facts(inner, true=bool(wanted.this)) if true else {}
        if not isinstance(inner, exp.Column):
            return {}
        return {("null", self._text(inner)): Fact(node, among=_NULL if true else _KNOWN)}

    def _not_null(self, node: exp.Expression, side: exp.Expression) -> Facts:
        side = strip(side)
        if not isinstance(side, exp.Column):
            return {}
        return {("null", self._text(side)): Fact(node, among=_KNOWN)}

    def _text(self, node: exp.Expression) -> str:
        """The same for equal values."""
        return self._scope.name(node) if isinstance(node, exp.Column) else node.sql("duckdb")


def _is_plain(node: exp.Expression) -> bool:
    """Whether it stands under no NOT: there, one value of several may be left over from what was turned."""
    return node.find_ancestor(exp.Not) is None


def _varies(node: exp.Expression) -> bool:
    """Whether a part depends on the payment."""
    return node.find(exp.Column) is not None


def _as_said(part: exp.Expression) -> str:
    """A part of a condition as it stands there, with the NOT around it."""
    around = part.parent
    while isinstance(around, exp.Paren):
        around = around.parent
    return shown(around) if isinstance(around, exp.Not) else shown(part)
