"""Values as people read them: in the texts of rules, in a model's reasons, in the verdict on a decision."""

from __future__ import annotations

from typing import Final

_STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_FORMS: Final = ("duration", "percent", "times", "new")


def in_words(value: float | None, form: str = "") -> str:
    """A value as the texts of rules show it; `{name:form}` in a text asks for a form.

    >>> in_words(1234.5), in_words(100.0), in_words(None)
    ('1,234.5', '100', 'unknown')
    >>> in_words(5520, "duration"), in_words(0.0062, "percent"), in_words(9.27, "times")
    ('1 h 32 min', '0.62 %', '9.3 ×')
    """
    if value is None:
        return "unknown"
    if form == "duration":
        return duration(value)
    if form == "percent":
        return percent(value)
    if form == "new":
        return "new" if value else "known"
    if form == "times":
        return f"{value:,.0f} ×" if value >= 10 else f"{value:.2g} ×"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


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
