"""Values as people read them: in the texts of rules, in a model's reasons, in the verdict on a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLURALS: Final = ("s", "ies")
_STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def in_words(value: float | None, form: str = "") -> str:
    """A value as the texts of rules show it; `{name:form}` in a text asks for a form.

    >>> in_words(1234.5), in_words(100.0), in_words(None)
    ('1,234.5', '100', 'unknown')
    >>> in_words(5520, "duration"), in_words(0.0062, "percent")
    ('1 h 32 min', '0.62 %')
    >>> in_words(9.27, "times"), in_words(812.4, "whole"), in_words(1, "new")
    ('9.3 ×', '812', 'new')
    >>> [f"card{in_words(value, 's')}, countr{in_words(value, 'ies')}" for value in (1.0, 2.0)]
    ['card, country', 'cards, countries']
    """
    if value is None:
        return form if form in _PLURALS else "unknown"
    return _FORMS[form](value) if form else f"{value:,.2f}".rstrip("0").rstrip(".")


def split(name: str) -> tuple[str, str]:
    """A name in braces as the name and the form that it asks for.

    >>> split("card.seconds_since_last:duration"), split("card.count_1h")
    (('card.seconds_since_last', 'duration'), ('card.count_1h', ''))
    """
    start, sign, form = name.rpartition(":")
    return (start, form) if sign and form in _FORMS else (name, "")


def percent(share: float, digits: int = 2) -> str:
    """A share of one with so many significant digits, never in powers of ten.

    >>> percent(0.0062), percent(0.5), percent(0.99987), percent(0.0000004), percent(0.123)
    ('0.62 %', '50 %', '99.99 %', 'below 0.001 %', '12 %')
    """
    value = 100 * share
    if 0 < value < 0.001:
        return "below 0.001 %"
    if value > 99 and digits <= 4:
        return f"{min(value, 99.99) if share < 1 else value:.2f}".rstrip("0").rstrip(".") + " %"
    text = f"{value:.{digits}g}"
    return f"{float(text):f}".rstrip("0").rstrip(".") + " %"


def duration(seconds: float) -> str:
    """How long, in its two largest units.

    >>> duration(42), duration(5520), duration(200_000), duration(3600), duration(0)
    ('42 s', '1 h 32 min', '2 d 7 h', '1 h', '0 s')
    """
    left = max(round(seconds), 0)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, rest = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
            left = rest
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def times(ratio: float) -> str:
    """How many times.

    >>> times(9.27), times(1234.6)
    ('9.3 ×', '1,235 ×')
    """
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.2g} ×"


_FORMS: Final[Mapping[str, Callable[[float], str]]] = {
    "duration": duration,
    "percent": percent,
    "times": times,
    "whole": lambda value: f"{value:,.0f}",
    "new": lambda value: "new" if value else "known",
    "same": lambda value: "unchanged" if value else "changed",
    "s": lambda value: "" if value == 1 else "s",
    "ies": lambda value: "y" if value == 1 else "ies",
}
