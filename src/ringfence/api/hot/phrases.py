"""The reasons of a decision as JSON, as `Decision.explain` words them: what never changes is encoded once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ringfence.scoring.language.words import in_words, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.scoring.rulesets.ruleset import Rule, RuleSet

_ENCODER: Final = msgspec.json.Encoder()
_NAMED: Final = re.compile(r"\{([^{}]+)\}")  # as `Decision.explain` fills them in


class ReasonPhrase(msgspec.Struct, frozen=True):
    """One reason: a fired rule, its code, and the text for the fraud team and for the customer."""

    code: str
    rule: str
    analyst: str
    customer: str


class Phrases:
    """The texts of one rule set."""

    def __init__(self, ruleset: RuleSet) -> None:
        self._rules = {rule.id: _Phrase(rule) for rule in ruleset.every_rule}

    def template(self, rule: str) -> list[str] | None:
        """The reason of a fired rule as JSON: texts at even places, and at odd ones names to be filled in.

        None for a rule that this set does not have.
        """
        return self._rules[rule].template if rule in self._rules else None

    def say(
        self,
        rules: Iterable[str],
        value: Callable[[str], float | str | None],
        models: Iterable[ReasonPhrase] = (),
    ) -> bytes:
        """A JSON array of the reasons of these fired rules, and of those that models give.

        `value` gives what a name in a text stands for: a number, None for unknown, or a text where the rule's
        text has no such name to fill in.
        """
        found = [self._rules[rule] for rule in rules if rule in self._rules]
        said = [phrase.always or phrase.fill(value) for phrase in found]
        said += [fill(why, value) for why in models]
        return b"[%b]" % b",".join(said)


class _Phrase:
    def __init__(self, rule: Rule) -> None:
        self._why = ReasonPhrase(rule.reason, rule.id, rule.analyst, rule.customer)
        fixed = not _NAMED.search(rule.analyst) and not _NAMED.search(rule.customer)
        self.always = _ENCODER.encode(self._why) if fixed else b""
        self.template = _template(self._why)

    def fill(self, value: Callable[[str], float | str | None]) -> bytes:
        return fill(self._why, value)


def fill(why: ReasonPhrase, value: Callable[[str], float | str | None]) -> bytes:
    """A reason with the values of its names, encoded."""
    return _ENCODER.encode(
        ReasonPhrase(why.code, why.rule, _filled(why.analyst, value), _filled(why.customer, value))
    )


def _template(why: ReasonPhrase) -> list[str]:
    parts = [f'{{"code":{_quoted(why.code)},"rule":{_quoted(why.rule)},"analyst":"']
    for text, after in ((why.analyst, '","customer":"'), (why.customer, '"}')):
        first, *rest = _NAMED.split(text)
        parts[-1] += _quoted(first)[1:-1]
        parts += [part if place % 2 else _quoted(part)[1:-1] for place, part in enumerate(rest, 1)]
        parts[-1] += after
    return parts


def _quoted(text: str) -> str:
    return _ENCODER.encode(text).decode()


def codes_only(codes: Iterable[str]) -> bytes:
    """The reasons where the words are not known any more."""
    return _ENCODER.encode([ReasonPhrase(code, "", "", "") for code in codes])


def _filled(text: str, value: Callable[[str], float | str | None]) -> str:
    if "{" not in text:
        return text
    parts = _NAMED.split(text)  # texts at even places, names at odd ones
    for place in range(1, len(parts), 2):
        name, form = split(parts[place])
        found = value(name)
        parts[place] = f"{{{parts[place]}}}" if isinstance(found, str) else in_words(found, form)
    return "".join(parts)
