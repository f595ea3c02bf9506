"""How well a column fits a field of the event, by the meaning of its name and by its values.

Points, not rules: several columns may fit, and who reads the draft is told of the runner-up.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.adapters.drafts.moments import turned
from ringfence.adapters.drafts.money import MOST, is_scientific
from ringfence.adapters.drafts.places import coordinate_points, ip_points
from ringfence.adapters.drafts.words import known
from ringfence.events.values.currencies import EVERY_CURRENCY as CURRENCIES
from ringfence.events.values.currencies import currency_code
from ringfence.events.values.currency_names import code_of_sign
from ringfence.masking import find_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ringfence.adapters.drafts.moments import MomentGuess
    from ringfence.adapters.drafts.sample import Column

CLOSE: Final = 15
"""Points: a runner-up that is no farther behind might be meant as well."""

_SOME: Final = 300
_WHO: Final = frozenset(
    {
        "customer",
        "card",
        "account",
        "merchant",
        "terminal",
        "device",
        "party",
        "email",
        "ip",
        "phone",
        "sender",
    }
)
_NO_ID: Final = frozenset(
    {
        "date", "time", "birth", "amount", "value", "balance", "age", "city", "country", "lat", "lon",
        "count", "status", "type", "category", "expiry", "opened", "limit", "currency", "fee", "address",
        "home", "year", "month", "masked", "entry", "mode", "fraud", "zone", "gross", "net", "money",
        "method", "dispute",
    }
)  # fmt: skip
_NO_AMOUNT: Final = {
    "balance": 200, "fee": 90, "tax": 90, "tip": 90, "limit": 90, "refund": 70, "dispute": 70, "discount": 70,
    "count": 90, "converted": 25, "net": 15, "age": 90, "date": 200, "time": 200, "id": 60, "birth": 200,
    "debit": 30, "credit": 30, "scale": 200, "category": 60, "type": 60, "lat": 200, "lon": 200, "zone": 200,
    "status": 90,
}  # fmt: skip
_NO_TIME: Final = {
    "birth": 200, "expiry": 200, "opened": 70, "later": 35, "refund": 60, "dispute": 60, "zone": 200,
    "account": 20, "customer": 15, "card": 15, "amount": 90, "balance": 90, "id": 60, "currency": 25,
    "related": 25, "age": 90, "status": 10,
}  # fmt: skip
_DIALLED: Final = re.compile(r"\+[1-9][0-9 ()/.-]{6,18}[0-9]")
_MASKED: Final = re.compile(r"(?=.*[*xX•#])[0-9*xX•#][0-9*xX•# -]{6,22}[0-9]")
_CARD_DIGITS: Final = 19
_DIGITS_ALONE: Final = re.compile(r"1?(?:%\w)+")  # a form without a mark
_LETTERS: Final = re.compile("[A-Za-z]")
_OF_MANY_CARDS: Final = frozenset(
    {
        "brand", "network", "issuer", "bank", "product", "level", "tier", "holder", "owner", "titular",
        "inhaber", "titulaire", "marke", "marque",
    }
)  # fmt: skip
_INSTITUTION: Final = frozenset({"bank", "banks", "branch", "bic", "institution"})
_NUMBERED: Final = frozenset(
    """bank banks branch bic institution imei imsi iccid meid serial zip zipcode postcode postal plz cep
    pincode blz bsb routing aba ifsc swift ssn nif cpf cnpj siren siret""".split()  # noqa: SIM905
)
"""Words of names whose numbers count nothing."""
_FLAGS: Final = frozenset({"0", "1", "true", "false", "yes", "no", "y", "n", "t", "f"})
_ENOUGH: Final = 10  # rows in which somebody's id is not one of two
_WORD_CODE: Final = re.compile(r"[A-Za-z]{3}|\d{3}")


class FoundRole(NamedTuple):
    """A column that fits a field, and how well."""

    name: str
    points: float


def ranked(columns: Iterable[Column], points: Callable[[Column], float]) -> list[FoundRole]:
    """The columns that fit at all, the best first; of equals, the first in the file."""
    found = [FoundRole(column.name, points(column)) for column in columns]
    return sorted((one for one in found if one.points > 0), key=lambda one: -one.points)


def time_points(column: Column, now: datetime) -> float:
    """How much a column looks like the time of the payment."""
    moments, meanings = column.moments, column.meanings
    if moments is None or moments.first is None or moments.last is None:
        return 0
    named = meanings & {"date", "time", "when", "created", "booked", "step"}
    numeric = moments.form.startswith(("epoch", "excel")) or bool(_DIGITS_ALONE.fullmatch(moments.form))
    if not named and (numeric or moments.share < 1):
        return 0
    points = 40.0 if named else 15.0
    points += 25 * bool(meanings & {"txn", "payment", "order", "event", "receipt"})
    points += 20 * ("created" in meanings) + 8 * ("booked" in meanings)
    points += 15 * moments.timed
    points -= sum(cost for word, cost in _NO_TIME.items() if word in meanings)
    points -= 60 * _is_ahead(column, moments, now) + 60 * ((moments.early or moments.first).year < 2000)
    return points * column.filled


def _is_ahead(column: Column, moments: MomentGuess, now: datetime) -> bool:
    """Whether times are still to come, but for a few, whichever of day and month stands first."""
    guesses = [moments, turned(moments, column.different)] if moments.swapped else [moments]
    latest = [one.late or one.last for one in guesses]
    return all(one is not None and one > now + timedelta(days=2) for one in latest)


def amount_points(column: Column) -> float:
    """How much a column looks like the amount of the payment."""
    meanings = column.meanings
    named = meanings & {"amount", "value", "gross", "net", "money", "minor"}
    if column.unnamed and column.money and not column.money.whole and not column.moments:
        return 30
    if not named or column.money is None or column.kinds == {bool} or not column.filled:
        return 0
    points = 45.0 if meanings & {"amount", "gross"} else 25.0
    points += 20 * bool(meanings & {"txn", "payment", "order", "receipt"}) + 10 * ("gross" in meanings)
    points -= sum(cost for word, cost in _NO_AMOUNT.items() if word in meanings)
    points -= 12 * bool(set(column.words) & {"usd", "eur", "gbp", "base"}) * ("converted" in meanings)
    return points * (0.5 + column.filled / 2)


def id_points(column: Column) -> float:
    """How much a column looks like the payment's own id."""
    meanings, words = column.meanings, column.words
    if column.filled < MOST or column.unique < 0.9 or is_scientific(column.different[:_SOME]):
        return 0
    if column.is_dated and "id" not in meanings:
        return 0
    if float in column.kinds and not (column.may_name and meanings & {"id", "ref"}):
        return 0
    if column.unnamed:
        plain = (
            column.unique == 1
            and not column.moments
            and column.clock in (None, "%H%M")
            and not holds_cards(column)
        )
        return 20.0 * plain * (column.money is None or column.money.whole)
    own = meanings & {"txn", "payment", "event", "receipt", "order"}
    points = 0.0
    if meanings & {"id", "ref"} or ("code" in meanings and meanings & {"txn", "order"}):
        points = 65.0 if not own else 85 if "txn" in own else 78 if "payment" in own else 60
        points -= 12 * ("id" not in meanings)
    elif own and not meanings - own:
        points = 55
    if not own and meanings & (_WHO - {"merchant"}):
        return 0  # of whoever pays, is paid or stands between
    points -= 60 * bool(meanings & (_WHO - {"merchant"})) + 60 * bool(meanings & (_NO_ID - {"count"}))
    points -= 35 * ("merchant" in meanings) + 60 * bool(meanings & {"related", "refund", "fraud"})
    points -= 25 * (len(words) > 1 and words[0] in ("reference", "ref", "referenz", "referencia"))
    return points * column.filled * column.unique


def _who(main: str, *, better: str = "id", worse: frozenset[str] = frozenset()) -> Callable[[Column], float]:
    """Points of a column that says who or what: `main` is the meaning that its name must have."""

    def points(column: Column) -> float:
        meanings = column.meanings
        if main not in meanings or not column.may_name:
            return 0
        if main in {"customer", "party"} and _of_a_bank(column):
            return 0
        if (
            meanings & ((_NO_ID | {"email", "phone", "ip"}) - {main})
            or is_scientific(column.different[:_SOME])
            or column.is_dated
            or _is_flag(column)
            or ("ref" in meanings and column.unique >= MOST)  # the payment's, as this party calls it
        ):
            return 0
        out = 40.0 + 25 * (better in meanings) + 15 * (meanings == {main}) + 5 * ("code" in meanings)
        out -= 35 * (main == "device" and "card" in meanings)  # Card Fingerprint
        out += 25 * ("orig" in column.words and "name" in meanings)  # nameOrig of transfers is an id
        out -= 20 * any(not known(word) for word in column.words)
        out -= 35 * bool(meanings & worse) + 20 * ("related" in meanings) + 10 * ("name" in meanings)
        return out * (0.6 + 0.4 * column.filled)

    return points


def _is_flag(column: Column) -> bool:
    found = {text.strip().lower() for text in column.different}
    return column.rows >= _ENOUGH and bool(found) and found <= _FLAGS


def _of_a_bank(column: Column) -> bool:
    """It names the bank of whoever pays or is paid, and not that person."""
    return not _INSTITUTION.isdisjoint(column.words) and not column.meanings & {"id", "account"}


def names_somebody(column: Column) -> bool:
    """Whether whole numbers stand for a bank, a place or a person: no arithmetic has a meaning for them."""
    if not column.texts or not all(map(str.isdigit, column.different[:_SOME])):
        return False
    if all(len(text) == 1 for text in column.different[:_SOME]):
        return False  # a flag or a count, perhaps
    if not _NUMBERED.isdisjoint(column.words):
        return not column.meanings & (_NO_ID - {"address", "city"})
    who = _WHO | {"id", "ref", "code", "related"}
    return bool(column.meanings & _WHO) and column.meanings <= who and all(map(known, column.words))


def card_points(column: Column) -> float:
    """Card numbers whatever the column is called, or what its name calls the card's id."""
    if holds_cards(column):
        return 60 + 30 * ("card" in column.meanings)
    if looks_masked(column):
        return 30 + 30 * ("card" in column.meanings)
    if "name" in column.meanings or not _OF_MANY_CARDS.isdisjoint(column.words):
        return 0
    points = _who("card", worse=frozenset({"customer", "merchant", "party"}))(column)
    return points + 35 * (points > 0 and "fingerprint" in column.words)


def holds_cards(column: Column) -> bool:
    """Most values are card numbers."""
    some = column.texts[:_SOME]
    return bool(some) and sum(map(is_card, some)) >= MOST * len(some)


def is_card(text: str) -> bool:
    """Whether a text is a card number and nothing else.

    >>> is_card("4111 1111 1111 1111"), is_card("card 4111 1111 1111 1111")
    (True, False)
    """
    return (
        len(find_cards(text)) == 1
        and sum(map(str.isalnum, text)) <= _CARD_DIGITS
        and not _LETTERS.search(text)
    )


def looks_masked(column: Column) -> bool:
    """Most values are card numbers of which only some digits are shown."""
    some = column.different[:_SOME]
    return bool(some) and sum(bool(_MASKED.fullmatch(text.strip())) for text in some) >= MOST * len(some)


def currency_points(column: Column, near: Column | None) -> float:
    """Currency codes, signs or names; those of the amount's own column come first."""
    some = column.different[:_SOME]
    if some and all(map(code_of_sign, some)):
        return 40 + 20 * ("currency" in column.meanings)
    if column.unnamed and some and all(text.strip().upper() in CURRENCIES for text in some):
        return 40
    if "currency" not in column.meanings:
        return 20 * (bool(some) and all(text.strip() in CURRENCIES for text in some))
    if not some:
        return 0
    good = sum(names_currency(text) or bool(_WORD_CODE.fullmatch(text.strip())) for text in some)
    short = all(text.strip().isdigit() and len(text.strip()) <= 3 for text in some)
    if good < MOST * len(some) and not short:
        return 0
    others = (near.meanings if near else frozenset()) & {"gross", "net", "converted", "fee", "refund"}
    return 60 - 30 * len((column.meanings & {"gross", "net", "converted", "fee", "refund"}) ^ others)


def names_currency(text: str) -> bool:
    """Whether a text is a code, a sign or a name of a currency."""
    return currency_code(text) in CURRENCIES or code_of_sign(text) is not None


def _matching(main: str, pattern: re.Pattern[str]) -> Callable[[Column], float]:
    def points(column: Column) -> float:
        some = column.different[:_SOME]
        if main in column.meanings and not some and column.placeholders:
            return 20
        fits = bool(some) and sum(bool(pattern.fullmatch(text.strip())) for text in some) >= MOST * len(some)
        if main not in column.meanings or not fits:
            return 0
        return 60.0 - 30 * ("party" in column.meanings) - 20 * bool(column.meanings & {"merchant", "related"})

    return points


def _plain(main: str, *also: str, worse: frozenset[str] = frozenset()) -> Callable[[Column], float]:
    def points(column: Column) -> float:
        meanings = column.meanings
        if not {main, *also} <= meanings or not column.texts or column.moments:
            return 0
        return 50.0 + 10 * (meanings <= {main, "code", *also}) - 30 * bool(meanings & worse)

    return points


_PHONES: Final = _matching("phone", re.compile(r"[+(]?[0-9][0-9 ()/.-]{4,20}"))


def phone_points(column: Column) -> float:
    """Phone numbers by the column's name; or, as "contact", by their plus and the country's number alone."""
    return _PHONES(column) or 25.0 * looks_dialled(column)


def looks_dialled(column: Column) -> bool:
    """Every value is a phone number with a plus, as it is dialled from abroad."""
    return bool(column.texts) and all(map(_DIALLED.fullmatch, map(str.strip, column.different)))


FIELDS: Final[dict[str, Callable[[Column], float]]] = {
    "card_id": card_points,
    "customer_id": _who("customer", worse=frozenset({"account", "merchant", "email", "name"})),
    "counterparty_id": _who("party", worse=frozenset({"email", "ip"})),
    "account_id": _who("account", worse=frozenset({"merchant", "party", "customer"})),
    "merchant_id": _who("merchant", worse=frozenset({"account", "ref", "category", "txn", "order"})),
    "terminal_id": _who("terminal"),
    "device_id": _who("device"),
    "ip": ip_points,
    "email": _matching("email", re.compile(r"[^@\s]+@[^@\s]+")),
    "phone": phone_points,
    "merchant_category": _plain("category", worse=frozenset({"name"})),
    "channel": _plain("channel"),
    "entry_mode": _plain("entry"),
    "country": _plain("country", worse=frozenset({"home", "customer", "card", "ip"})),
    "city": _plain("city", worse=frozenset({"home", "customer"})),
    "lat": coordinate_points("lat"),
    "lon": coordinate_points("lon"),
}
"""The fields beside id, time, amount and currency, in the order in which they choose among the columns."""
