"""How often each part of rules' conditions is TRUE of stored payments, and why one never is."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from sqlglot import exp

from ringfence.events.model import ATTRIBUTE_PREFIX, CATEGORY_FIELDS
from ringfence.events.values.countries import ways_to_write
from ringfence.events.values.vocabulary import nearest
from ringfence.rulebook.checking import PartRate
from ringfence.scoring.language.expression import COMPARISONS, Scope, read, strip
from ringfence.scoring.language.known_values import shown
from ringfence.scoring.language.lower_boolean import compile_condition
from ringfence.scoring.language.names import Type
from ringfence.scoring.language.program import Builder, run
from ringfence.scoring.language.syntax import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.scoring.columns import Columns
    from ringfence.scoring.language.syntax import Parsed
    from ringfence.scoring.rulesets.rules import CompiledRules

_MOST_WORDS: Final = 2_000  # different texts of one name that are remembered
_LISTED: Final = 5
_CUT: Final = 40
_ONE_VALUE: Final = (exp.EQ, exp.NEQ, exp.In)


@dataclass(slots=True)
class _Leaf:
    """A part of a condition that is neither AND, OR nor NOT."""

    rule: str
    parsed: Parsed
    node: exp.Expression
    register: int
    fired: int = 0


@dataclass(slots=True)
class _Observed:
    """What one name was in the payments looked at."""

    numbers: int = 0
    low: float = np.inf
    high: float = -np.inf
    texts: int = 0
    words: set[str] = field(default_factory=set)

    def add(self, columns: Columns, name: str, kind: Type | None) -> None:
        if kind is not Type.TEXT:
            values = columns.number(name)
            known = values[~np.isnan(values)]
            if len(known):
                self.numbers += len(known)
                self.low, self.high = min(self.low, known.min()), max(self.high, known.max())
        if kind is not Type.NUMBER:
            text = columns.text(name)
            used = np.unique(text.codes[text.codes >= 0])
            self.texts += int((text.codes >= 0).sum())
            words = (text.words[code] for code in used[:_MOST_WORDS])
            self.words.update(word for word in words if word is not None and len(self.words) < _MOST_WORDS)


class Leaves:
    """The parts of the rules of a compiled book, at most `most` of them: first `count`, then `look`."""

    def __init__(self, rules: CompiledRules, most: int) -> None:
        self._names = rules.names
        self._build = Builder()
        self._leaves: list[_Leaf] = []
        self._observed: dict[str, _Observed] = {}
        self._attributes: set[str] = set()
        scores = {one.name: one for one in rules.ruleset.typologies}
        for rule in (*rules.active, *rules.shadow):
            texts = [rule.when]
            parameters = rule.parameters
            if rule.id in scores:
                texts = [signal.when for signal in scores[rule.id].signals]
                parameters = scores[rule.id].parameters
            for text in texts:
                parsed = read(text, parameters)
                for node in _split(parsed.tree):
                    part = replace(parsed, tree=node)
                    register = compile_condition(part, self._names, self._build).true
                    self._leaves.append(_Leaf(rule.id, part, node, register))
            if len(self._leaves) >= most:
                break

    def count(self, columns: Columns) -> None:
        """How often each part is TRUE of these payments."""
        registers = run(self._build.steps, columns)
        for leaf in self._leaves:
            leaf.fired += int(np.broadcast_to(registers[leaf.register], len(columns)).sum())

    @property
    def never(self) -> bool:
        """Whether a part was never TRUE, so that it is worth to `look` why."""
        return any(leaf.fired == 0 for leaf in self._leaves)

    def look(self, columns: Columns) -> None:
        """What the payments hold of the values that such parts ask for."""
        table = columns.transactions.table
        self._attributes.update(name for name in table.schema.names if name.startswith(ATTRIBUTE_PREFIX))
        self._attributes.update(columns.transactions.others)
        for leaf in self._leaves:
            if leaf.fired:
                continue
            scope = Scope(leaf.parsed, self._names, None)
            for name in {scope.name(node) for node in leaf.node.find_all(exp.Column)}:
                kind = self._names.type_of(name)
                if kind is not Type.BOOLEAN and name not in self._names.derived:
                    self._observed.setdefault(name, _Observed())
        for name, observed in self._observed.items():
            observed.add(columns, name, self._names.type_of(name))

    def rates(self) -> dict[str, list[PartRate]]:
        """By rule its parts, in the order of the text."""
        found: dict[str, list[PartRate]] = {}
        for leaf in self._leaves:
            why, mistake = ("", False) if leaf.fired else self._why(leaf)
            rate = PartRate(text=shown(leaf.node), fired=leaf.fired, why=why, mistake=mistake)
            found.setdefault(leaf.rule, []).append(rate)
        return found

    def _why(self, leaf: _Leaf) -> tuple[str, bool]:  # noqa: PLR0911 (one line a reason)
        """Why a part was never TRUE, and whether that looks like a mistake."""
        scope = Scope(leaf.parsed, self._names, None)
        columns = {scope.name(node): node for node in leaf.node.find_all(exp.Column)}
        looked = {name: self._observed[name] for name in columns if name in self._observed}
        for name, seen in looked.items():
            if not seen.numbers and not seen.texts:
                near = nearest(name, self._attributes - {name}) if name.startswith(ATTRIBUTE_PREFIX) else ""
                return f"no payment has a value of {name}{near}", bool(near)
            asked = _asked(scope, leaf.node, columns[name])
            if asked is Type.NUMBER and not seen.numbers:
                return _text_as_number(leaf.node, name, seen), True
            if asked is Type.TEXT and not seen.texts:
                return _number_as_text(leaf.node, name, seen), True
            if asked is Type.BOOLEAN and seen.texts and not seen.numbers:
                return _text_as_truth(leaf.node, name, seen), True
        if len(looked) != 1:
            return "", False
        ((name, seen),) = looked.items()
        literals = [one for one in leaf.node.find_all(exp.Literal) if one.is_string]
        if isinstance(leaf.node, (exp.EQ, exp.In)) and literals and leaf.node.args.get("field") is None:
            return self._unknown(name, seen, [one.name for one in literals])
        if seen.numbers and isinstance(leaf.node, (*COMPARISONS, exp.In, exp.Between)):
            return f"{name} was {seen.low:.10g} to {seen.high:.10g}", False
        if seen.texts and self._is_vocabulary(name):
            return f"{name} was {_some(seen.words)}", False
        return "", False

    def _is_vocabulary(self, name: str) -> bool:
        """Whether a text is one of few words; ids are not."""
        return name in CATEGORY_FIELDS or self._names.type_of(name) is None

    def _unknown(self, name: str, seen: _Observed, wanted: list[str]) -> tuple[str, bool]:
        values = ", ".join(repr(value[:_CUT]) for value in wanted[:_LISTED])
        plain = f"no payment has {name} {values}"
        if not self._is_vocabulary(name):
            return plain, False
        close = dict.fromkeys(
            word
            for value in wanted
            for word in _close(value, seen.words, is_country=name == "country")
            if len(seen.words) < _MOST_WORDS
        )
        if close:
            return f"{plain}: did you mean {' or '.join(repr(word[:_CUT]) for word in close)}?", True
        return f"{plain}; they have {_some(seen.words)}", False


def _some(words: set[str]) -> str:
    shown = ", ".join(repr(word[:_CUT]) for word in sorted(words)[:_LISTED])
    return shown + (", …" if len(words) > _LISTED else "")


def _close(value: str, words: set[str], *, is_country: bool) -> list[str]:
    """Texts that somebody who wrote `value` may mean."""
    if is_country and (same := sorted(words.intersection(ways_to_write(value)))):
        return same
    folded = {word.strip().casefold(): word for word in sorted(words)}
    mine = value.strip().casefold()
    if mine in folded:
        return [folded[mine]]
    if len(mine) < 4 or mine.isdecimal():  # codes: the nearest one is another one
        return []
    return [folded[word] for word in difflib.get_close_matches(mine[:80], folded, 2, 0.8)]


def _split(node: exp.Expression) -> Iterator[exp.Expression]:
    node = strip(node)
    if isinstance(node, (exp.And, exp.Or)):
        for part in chain(node):
            yield from _split(part)
    elif isinstance(node, exp.Not):
        inner = strip(node.this)
        yield from _split(inner) if isinstance(inner, (exp.And, exp.Or, exp.Not)) else (node,)
    else:
        yield node


def _bare(node: exp.Expression) -> exp.Expression:
    """A part without its NOT."""
    return strip(node.this) if isinstance(node, exp.Not) else node


def _asked(scope: Scope, node: exp.Expression, column: exp.Expression) -> Type | None:
    """The type in which a part asks for a column that could be of any; None where it is not compared."""
    node = _bare(node)
    if (kind := scope.type_of(column)) is not None:
        return kind
    if node is column:
        return Type.BOOLEAN
    if type(node) in COMPARISONS:
        sides = [node.this, node.expression]
    elif isinstance(node, exp.Between):
        sides = [node.this, node.args["low"], node.args["high"]]
    elif isinstance(node, exp.In):
        if node.args.get("field") is not None:
            return Type.TEXT
        sides = [node.this, *node.expressions]
    else:
        return None
    return scope.common_type(sides) or Type.NUMBER if any(strip(side) is column for side in sides) else None


def _text_as_number(node: exp.Expression, name: str, seen: _Observed) -> str:
    example = min(seen.words, default="")[:_CUT]
    holds = f"{name} is text, such as {example!r}, and compared with a number"
    if not isinstance(_bare(node), _ONE_VALUE):
        return f"{holds}: send it as a number"
    quoted = node.transform(
        lambda one: exp.Literal.string(one.name) if isinstance(one, exp.Literal) else one, copy=True
    )
    return f"{holds}: write {shown(quoted)}"


def _text_as_truth(node: exp.Expression, name: str, seen: _Observed) -> str:
    wanted = not isinstance(node, exp.Not)
    literal = node.find(exp.Boolean)
    if literal is not None:
        wanted = bool(literal.this) == (isinstance(_bare(node), exp.EQ) == wanted)
    said = ("true", "yes", "1") if wanted else ("false", "no", "0")
    word = next((one for one in sorted(seen.words) if one.strip().casefold() in said), said[0])
    holds = f"{name} is text, such as {min(seen.words, default='')[:_CUT]!r}, and asked for as true or false"
    return f"{holds}: write {name} = '{word}'"


def _number_as_text(node: exp.Expression, name: str, seen: _Observed) -> str:
    holds = f"{name} is a number, such as {seen.low:.10g}, and compared with text"
    literals = [one.name for one in node.find_all(exp.Literal)]
    if not isinstance(_bare(node), _ONE_VALUE) or not all(_is_number(one) for one in literals):
        return f"{holds}: compare it with a number"
    plain = node.transform(
        lambda one: exp.Literal.number(one.name) if isinstance(one, exp.Literal) else one, copy=True
    )
    return f"{holds}: write {shown(plain)}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdecimal()
