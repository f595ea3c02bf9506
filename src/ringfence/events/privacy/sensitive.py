"""Sensitive authentication data by its name: what may never be stored once a payment has been authorised.

That is the card's verification value, the PIN and its block, and what a magnetic stripe or a chip holds
(PCI DSS 3.3). A column or attribute with such a name is dropped, whatever it holds. Some names stand for
other things as well, `cid` or `pin_code`, and results such as `cvv_check` are worth keeping: of these only
values that look like the secret itself are dropped.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.privacy import foreign_names
from ringfence.events.privacy.spelling import spelt_out, words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Secret(StrEnum):
    """Kinds of sensitive authentication data, as they are counted."""

    CODE = "verification codes"  # CVV, CVC, CID, CAV
    PIN = "PINs"
    TRACK = "track data"


class SensitiveName(NamedTuple):
    """What a name stands for. `surely` not: only values that look like it are meant."""

    secret: Secret
    surely: bool


_CODE_WORDS: Final = re.compile("(?:cvv|cvc|cvn|csc|cvx|cvd|cav|ccv|kpn|kpz)[0-9]?|4dbc|fdbc|[345]csc")
_CODE_NAMES: Final = re.compile(
    "cvv|cvc[0-9]?(?:code|value|number|nummer|wert)|card(?:holder)?cvc"
    "|(?:card|kreditkarten?)(?:security|verification|validation|identification)(?:code|value|number|no|id)?$"
    "|card(?:authentication|identification)value|^(?:security|verification|validation)(?:code|value|number)$"
    "|sicherheits(?:code|nummer|kode)|karten(?:prue?f)(?:nummer|ziffer|wert|code)"
    "|cryptogrammevisuel|code(?:de)?securite|codigo(?:de)?(?:seguridad|seguranca)|codice(?:di)?sicurezza"
    "|(?:veiligheids|beveiligings)code|sakerhetskod|sikkerhedskode|kontrolcifre|sikkerhetskode|turvakoodi"
    "|kodbezpieczenstwa|guvenlikkodu|codsecuritate|biztonsagikod|bezpecnostnikod"
    "|signaturepanelcode|cardver(?:ification)?(?:data|value|code)|card(?:seccode|cv2)|amexcid"
)
_CODE_PERHAPS: Final = re.compile(
    "^(?:card)?cid[0-9]?(?:code)?$|cardcode|^sec(?:urity)?c(?:o?d|ode)$|^(?:security|verification)digits?$"
    "|^(?:verification|validation|verify)(?:code|value)|prue?f(?:ziffer|nummer)"
    "|cryptogramme|controlecode|codigo(?:de)?verifica|codiceverifica|securitycode|verificationvalue|^csc"
)
_PIN_WORDS: Final = foreign_names.PIN_WORDS.union(
    "pin pins pin1 pin2 pinblock epb pvv de52 geheimzahl mpin upin tpin".split()  # noqa: SIM905
)
_PIN_NAMES: Final = re.compile(
    "pinbl(?:oc)?k|(?:card|atm|debit|credit|customer|user|encrypted|enc|entered|online|offline|clear|account|wallet"
    "|old|new)pin[0-9]?(?:block|code|number|no|nr|nummer|data|value|hash)?$"
    "|^pin(?:number|no|nr|nummer|data|value|hash|enc|encrypted)$|geheim(?:zahl|nummer|code)|codesecret"
    "|codeconfidentiel|clavesecreta|codicesegreto|codigosecreto|pinkod|pinverificationvalue"
    "|^(?:de|field|bit|f|df)0?52$"
)
_PIN_PERHAPS: Final = re.compile("pincode")  # in India a postal code
_TRACK_WORDS: Final = re.compile(
    "(?:track|trk)[123](?:data)?|tk[123]data|magstripe|magstrip|magnetstreifen|msr"
    "|(?:spur|piste|traccia|pista)[123]"
)
_TRACK_NAMES: Final = re.compile(
    "track[123]?(?:data|equivalent|equiv|raw|discretionary)"
    "|^(?:card|iso|raw|mag|full|encrypted|emv|chip)?track[123]$|(?:mag|magnetic)strip(?:e|es)?|magnetstreifen"
    "|magnetspur|bandamagnetica|bandemagnetique|pistemagnetique|swipedata|carddata$|rawcarddata"
    "|^(?:card)?mag(?:netic)?data|^trk[123]"
    "|(?:emv|icc|chip)(?:data|tlv)|discretionarydata|^(?:de|field|bit|f|df)0?(?:35|36|45|55)$"
    "|^(?:tag|emv)(?:57|56|9f1f|9f20)$"
)
_TRACK_PERHAPS: Final = re.compile("^(?:tk[123]|t[123]data|rawtrack|cardswipe)$")
_TRACKS: Final = frozenset({"track", "trk", "tk"})
_NUMBERED_TRACK: Final = re.compile("(?:track|trk)[123]")
_NUMBERED_TRACK_PERHAPS: Final = re.compile("(?:track|trk|tk|spur|piste|pista|traccia)[123]")
_NUMBER_WORDS: Final = {"one": "1", "two": "2", "three": "3"}
_FOREIGN: Final = (
    (Secret.CODE, foreign_names.CODES),
    (Secret.PIN, foreign_names.PINS),
    (Secret.TRACK, foreign_names.TRACKS),
)
_POSTAL: Final = frozenset({"postal", "zip", "shipping", "billing", "delivery", "address", "area", "city"})
_OF_CARDS: Final = frozenset({"card", "atm", "debit", "credit", "terminal"})
_ABOUT: Final = frozenset(
    """
    result results check checks checked match matched matches response resp status verified valid validated
    ok passed failed failures attempts attempt tries try retries retry count counter missing present presence
    provided supplied indicator flag type method mode length len capability required requested bypass bypassed
    changed change reset pad padid entry time date age days since name category pruefung ergebnis
    supported supports format uses has had is based capable enabled allowed
    """.split()  # noqa: SIM905
)
_LIKE_CODE: Final = r"^\s*[0-9]{3,4}\s*$"
_LIKE_PIN: Final = r"^\s*(?:[0-9]{4,5}|[0-9]{7,12}|[0-9A-Fa-f]{16})\s*$"
_LIKE_TRACK: Final = r"[0-9;%?=^]{12,}"
_LIKE: Final = {Secret.CODE: _LIKE_CODE, Secret.PIN: _LIKE_PIN, Secret.TRACK: _LIKE_TRACK}


@lru_cache(maxsize=4096)
def named(name: str) -> SensitiveName | None:
    """What sensitive authentication data a name stands for, None for any other name.

    >>> named("enteredCVV").secret, named("PIN-Block").secret, named("shipping")
    (<Secret.CODE: 'verification codes'>, <Secret.PIN: 'PINs'>, None)
    """
    words = words_of(name)
    found = _meant(words) if words else None
    if found is not None and found.surely and not _ABOUT.isdisjoint(words):
        return SensitiveName(found.secret, surely=False)
    return found


def _meant(words: list[str]) -> SensitiveName | None:
    words = _with_digits(words)
    joined = "".join(words)
    names = (joined, _joined_last(words)) if len(words) > 2 else (joined,)
    numbered = list(map("".join, pairwise(words)))
    words = [*words, *spelt_out(words)]
    surely = _meant_surely(words, names, numbered)
    if surely is not None:
        return SensitiveName(surely, surely=not (surely is Secret.PIN and _is_postal(words)))
    perhaps = _meant_perhaps(words, names, numbered)
    return None if perhaps is None else SensitiveName(perhaps, surely=False)


def _meant_surely(words: list[str], names: tuple[str, ...], numbered: list[str]) -> Secret | None:
    joined = names[0]
    if any(map(_CODE_WORDS.fullmatch, (*words, joined))) or any(map(_CODE_NAMES.search, names)):
        return Secret.CODE
    if _PIN_NAMES.search(joined) or (not _PIN_WORDS.isdisjoint(words) and words[-1] != "code"):
        return Secret.PIN
    if any(map(_TRACK_WORDS.fullmatch, words)) or any(map(_TRACK_NAMES.search, names)):
        return Secret.TRACK
    if numbered and _NUMBERED_TRACK.fullmatch(numbered[-1]):
        return Secret.TRACK
    return next((secret for secret, names in _FOREIGN if names.search(joined)), None)


def _meant_perhaps(words: list[str], names: tuple[str, ...], numbered: list[str]) -> Secret | None:
    if "cv2" in words or any(map(_CODE_PERHAPS.search, names)):
        return Secret.CODE
    if foreign_names.CODES_PERHAPS.search(names[0]):
        return Secret.CODE
    if _PIN_PERHAPS.search(names[0]):
        return Secret.PIN
    if _TRACK_PERHAPS.search(names[0]) or any(map(_NUMBERED_TRACK_PERHAPS.fullmatch, numbered)):
        return Secret.TRACK
    return None


def _with_digits(words: list[str]) -> list[str]:
    """The words, the number of a track as a digit."""
    return words[:1] + [
        _NUMBER_WORDS.get(word, word) if before in _TRACKS else word for before, word in pairwise(words)
    ]


def _is_postal(words: list[str]) -> bool:
    """Whether a PIN is the number of a place, as in India."""
    return not _POSTAL.isdisjoint(words) and _OF_CARDS.isdisjoint(words)


def _joined_last(words: list[str]) -> str:
    """The last two words, which a path such as `payment.card.security_code` ends with."""
    return "".join(words[-2:])


def is_secret(secret: Secret, values: Any) -> NDArray[np.bool_]:
    """Per value of an Arrow column, whether it looks like the secret itself."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_boolean(values.type) or pa.types.is_nested(values.type) or pa.types.is_null(values.type):
        return np.zeros(len(values), np.bool_)
    if pa.types.is_floating(values.type):
        whole = pc.equal(pc.floor(values), values)
        small = pc.less(pc.abs(values), 1e15)
        values = pc.if_else(pc.and_(whole, small), values, None).cast(pa.int64())
    like = pc.match_substring_regex(values.cast(pa.string()), _LIKE[secret])
    return np.asarray(pc.fill_null(like, fill_value=False))


def secret_in(name: str, value: Any) -> Secret | None:
    """What sensitive authentication data a named value is.

    >>> secret_in("cvv", 737), secret_in("cid", "737"), secret_in("cid", "campaign 7"), secret_in("cvv", None)
    (<Secret.CODE: 'verification codes'>, <Secret.CODE: 'verification codes'>, None, None)
    """
    meant = named(name)
    if meant is None or value is None or isinstance(value, bool):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return meant.secret if meant.surely or re.search(_LIKE[meant.secret], text) else None
