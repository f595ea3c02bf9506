"""Messages from templates: Jinja in a sandbox, every name checked before a template is used.

The first line of a template is the message's title. A line `* NAME: VALUE` is a field, any other is text. A
customer's template knows the payment and nothing of why it was stopped: what it cannot name it cannot tell.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ringfence.alerts.model import topic
from ringfence.alerts.policy import LANGUAGES
from ringfence.bus.words import Words, cut, plain
from ringfence.errors import InputError
from ringfence.events.values.currencies import major

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2.runtime import Context

MOST_BYTES: Final = 16_384
_MOST_CHARACTERS: Final = 20_000
_TITLE_CHARACTERS: Final = 300
_GERMAN_SIGNS: Final = str.maketrans(",.", ".,")  # 1.234,50
_GERMAN: Final = {
    "medium": "mittel", "high": "hoch", "critical": "kritisch", "escalated": "eskaliert",
    "card": "Karte", "customer": "Kunde", "account": "Konto", "merchant": "Händler", "device": "Gerät",
    "transaction": "Zahlung", "approve": "freigegeben", "challenge": "Rückfrage beim Kunden",
    "review": "zu prüfen", "decline": "abgelehnt",
}  # fmt: skip
_UNITS: Final = (  # in minutes; German ones as they stand after "seit"
    (1440, {"en": ("day", "days"), "de": ("Tag", "Tagen")}),
    (60, {"en": ("hour", "hours"), "de": ("Stunde", "Stunden")}),
    (1, {"en": ("minute", "minutes"), "de": ("Minute", "Minuten")}),
)
_CUT: Final = {
    "en": ("This message was cut here.", "All of it: ringfence alerts show"),
    "de": ("Hier wurde diese Nachricht gekürzt.", "Alles: ringfence alerts show"),
}
NAMES: Final = {
    "team": (
        *("alert_id", "severity", "raised", "count", "entity", "entity_id", "typology", "outcome", "score"),
        *(
            "reasons",
            "transaction_id",
            "amount",
            "currency",
            "merchant",
            "country",
            "card_last4",
            "time",
            "bank",
        ),
    ),
    "customer": (
        "amount",
        "currency",
        "merchant",
        "country",
        "card_last4",
        "time",
        "declined",
        "bank",
        "link",
    ),
    "digest": ("count", "severity", "severities", "digest", "bank"),
    "escalation": ("alert_id", "severity", "count", "entity", "entity_id", "typology", "minutes", "bank"),
}
"""What a template of each audience may name."""


_PARTS: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr),
    *(nodes.Call, nodes.Name, nodes.Const, nodes.Dict, nodes.Pair, nodes.List, nodes.Tuple, nodes.Keyword),
    *(nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Concat),
)
FILTERS: Final = frozenset(
    (
        *("money", "with_currency", "translate", "duration", "topic"),
        *("upper", "lower", "capitalize", "title", "trim", "truncate", "replace", "join"),
        *("default", "length", "first", "last", "round", "int", "abs"),
    )
)
"""Filters that a template may use; what pads, repeats or formats is not among them."""
_GROWING: Final = ("replace", "join")
OPTIONAL: Final = frozenset({"amount", "currency", "merchant", "country", "card_last4", "time", "link"})
"""Names that are empty where a payment does not say so."""


def check_template(audience: str, text: str) -> None:
    """`InputError` for a template that is none, or names what its audience does not have."""
    if audience not in NAMES:
        raise InputError(f"there is no template {audience[:60]!r}: one of {', '.join(NAMES)}")
    if len(text.encode()) > MOST_BYTES:
        raise InputError(f"a template is at most {MOST_BYTES:,} bytes long")
    try:
        tree = _environment("en").parse(text)
        _check_filters(tree)
        _check_parts(tree)
        asked = meta.find_undeclared_variables(tree)
        asked |= {"self"} & {one.name for one in tree.find_all(nodes.Name)}  # Jinja's own: the template
    except (TemplateSyntaxError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"line {line} of the template: {error}") from None
    for name in sorted(asked - set(NAMES[audience])):
        near = get_close_matches(name, NAMES[audience], 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it may name {', '.join(NAMES[audience])}"
        raise InputError(f"the {audience}'s template names {name!r}, which it does not have: {hint}")
    call = tree.find(nodes.Call)
    if call is not None:
        raise InputError(f"{_line(call)}: a template fills in words, and has no call")
    if not text.strip():
        raise InputError("the template is empty")
    rendered(audience, text, SAMPLES[audience])
    rendered(audience, text, {name: told for name, told in SAMPLES[audience].items() if name not in OPTIONAL})


def _check_filters(tree: nodes.Template) -> None:
    for one in tree.find_all(nodes.Filter):
        if one.name not in FILTERS:
            near = get_close_matches(one.name, FILTERS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(FILTERS))}"
            raise InputError(f"{_line(one)}: there is no filter {one.name!r}: {hint}")
        growing = [each for each in (one, *one.find_all(nodes.Filter)) if each.name in _GROWING]
        if one.name in _GROWING and len(growing) > 1:
            raise InputError(f"{_line(one)}: one of {' and '.join(_GROWING)} in an expression is enough")


def _check_parts(tree: nodes.Template) -> None:
    """`InputError` for what is more than filling in words: a message is about as long as its parts."""
    for one in tree.find_all(nodes.Node):
        if isinstance(one, nodes.Mul | nodes.Pow):
            raise InputError("a template does not multiply: it fills in words")
        if not isinstance(one, _PARTS):
            what = type(one).__name__.lower()
            raise InputError(f"{_line(one)}: a template fills in words, and has no {what}")
        if isinstance(one, nodes.For) and next(one.find_all(nodes.For), None) is not None:
            raise InputError(f"{_line(one)}: no loop is within another")
        if isinstance(one, nodes.Assign) and next(one.node.find_all(nodes.Name), None) is not None:
            raise InputError(f"{_line(one)}: a template sets a name to fixed words only")


def _line(node: nodes.Node) -> str:
    return f"line {node.lineno} of the template"


def rendered(audience: str, text: str, values: Mapping[str, Any], language: str = "en") -> Words:
    r"""The message that a checked template gives; where it had to be cut, it says so, and where all of it is.

    >>> many = SAMPLES["team"] | {"reasons": ["word"] * 9999}
    >>> rendered("team", "{{ severity }}\n{{ reasons|join(' ') }}", many).lines[-1]
    ('', 'This message was cut here. All of it: ringfence alerts show alert-17')
    """
    known = {name: _plain(values.get(name, "")) for name in NAMES[audience]}
    if language == "de" and "severities" in known:
        known["severities"] = counts_in_german(known["severities"])
    try:
        whole = _compiled(text, language).render(known)
    except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(f"the {audience}'s template cannot be filled in: {error}") from None
    told = cut(whole, _MOST_CHARACTERS)
    title, *rest = [line.strip() for line in told.strip().splitlines()] or [""]
    lines = [("", title)] if len(title) > _TITLE_CHARACTERS else []
    for line in rest:
        name, colon, value = line.removeprefix("* ").partition(": ")
        if line.startswith("* ") and colon:
            lines.append((name, value))
        elif line:
            lines.append(("", line))
    if told != whole:
        said, whole_at = _CUT[language]
        lines.append(("", f"{said} {whole_at} {known['alert_id']}" if known.get("alert_id") else said))
    return Words(cut(title, _TITLE_CHARACTERS), tuple(lines))


@cache
def shipped(audience: str, language: str) -> str:
    """The template that comes with Ringfence; English where there is none in a language."""
    chosen = language if language in LANGUAGES else "en"
    return (resources.files("ringfence.alerts") / "templates" / f"{audience}.{chosen}.txt").read_text("utf-8")


@cache
def _environment(language: str) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals.clear()  # no range, no cycler: a template fills in words
    made.filters["money"] = _in_german if language == "de" else _money
    made.filters["with_currency"] = _with_currency
    made.filters["translate"] = partial(_translated, language)
    made.filters["topic"] = lambda value: topic(str(value))
    made.filters["duration"] = partial(_duration, language)
    return made


@cache
def _compiled(text: str, language: str) -> Any:
    return _environment(language).from_string(text)


def _plain(value: Any) -> Any:
    """A value that makes no line of its own: texts come from whoever pays."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return plain(value) if isinstance(value, str) else value


@pass_context
def _money(context: Context, value: Any) -> str:
    """An amount, with the digits of the payment's currency."""
    return major(value, context.get("currency") or "") if isinstance(value, int | float) else str(value)


@pass_context
def _in_german(context: Context, value: Any) -> str:
    return _money(context, value).translate(_GERMAN_SIGNS) if isinstance(value, int | float) else str(value)


@pass_context
def _with_currency(context: Context, value: Any) -> str:
    """An amount as `money` writes it, with its currency where the payment has one."""
    return f"{context.environment.filters['money'](context, value)} {context.get('currency') or ''}".rstrip()


def _translated(language: str, word: Any) -> Any:
    """A severity, an entity or an outcome in a language."""
    return _GERMAN.get(word, word) if language == "de" else word


def _duration(language: str, minutes: Any) -> str:
    """Minutes in the largest unit that leaves no rest.

    >>> _duration("en", 1440), _duration("en", 90), _duration("de", 2880)
    ('1 day', '90 minutes', '2 Tagen')
    """
    if not isinstance(minutes, int):  # a text would be a format for `%`
        return str(minutes)
    size, names = next(unit for unit in _UNITS if not minutes % unit[0])
    count = minutes // size
    return f"{count} {names[language][count != 1]}"


def counts_in_german(text: str) -> str:
    """Counts by severity, as a German message has them.

    >>> counts_in_german("1,200 high, 12 medium, 3 escalated critical")
    '1.200 hoch, 12 mittel, 3 eskaliert kritisch'
    """
    counts = (one.split(" ") for one in text.split(", "))
    return ", ".join(
        " ".join((number.translate(_GERMAN_SIGNS), *(_translated("de", word) for word in words)))
        for number, *words in counts
    )


SAMPLES: Final[dict[str, dict[str, Any]]] = {
    "team": {
        "alert_id": "alert-17",
        "severity": "high",
        "raised": False,
        "count": 3,
        "entity": "card",
        "entity_id": "tok_9f31c2",
        "typology": "card_testing",
        "outcome": "decline",
        "score": 93.5,
        "reasons": ["6 payments of 5 or less on this card within 10 minutes."],
        "transaction_id": "tx-1",
        "amount": 129.9,
        "currency": "EUR",
        "merchant": "shop-7",
        "country": "DE",
        "card_last4": "1881",
        "time": "2030-01-01 12:00 UTC",
        "bank": "your bank",
    },
    "customer": {
        "amount": 129.9,
        "currency": "EUR",
        "merchant": "shop-7",
        "country": "DE",
        "card_last4": "1881",
        "time": "2030-01-01 12:00 UTC",
        "declined": True,
        "bank": "your bank",
        "link": "https://bank.example/answer/…",
    },
    "digest": {
        "count": 212,
        "severity": "high",
        "severities": "212 high",
        "digest": "digest-high-525960-9f31c2ab04d7",
        "bank": "your bank",
    },
    "escalation": {
        "alert_id": "alert-17",
        "severity": "high",
        "count": 3,
        "entity": "card",
        "entity_id": "tok_9f31c2",
        "typology": "card_testing",
        "minutes": 30,
        "bank": "your bank",
    },
}
"""What previews are filled in with."""
