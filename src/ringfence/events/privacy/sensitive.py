"""Sensitive authentication data by its name: what may never be stored once a payment has been authorised.

That is the card's verification value, the PIN and its block, and what a magnetic stripe or a chip holds
(PCI DSS 3.3). A column or attribute with such a name is dropped, whatever it holds. Some names stand for
other things as well, `cid` or `pin_code`, and results such as `cvv_check` are worth keeping: of these only
values that look like the secret itself are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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


_WORDS: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST: Final = 200  # characters of a name that are looked at

_CODE_WORDS: Final = re.compile("(?:cvv|cvc|cvn|csc|cvx|cvd|cav|kpn|kpz)[0-9]?")
_CODE_NAMES: Final = re.compile(
    "cvv|cvc[0-9]?(?:code|value|number|nummer|wert)|card(?:holder)?cvc"
    "|(?:card|kreditkarten?)(?:security|verification|validation|identification)(?:code|value|number|no|id)?$"
    "|card(?:authentication|identification)value|^(?:security|verification|validation)(?:code|value|number)$"
    "|sicherheits(?:code|nummer|kode)|karten(?:prue?f)(?:nummer|ziffer|wert|code)"
    "|cryptogrammevisuel|code(?:de)?securite|codigo(?:de)?(?:seguridad|seguranca)|codice(?:di)?sicurezza"
    "|(?:veiligheids|beveiligings)code|sakerhetskod|sikkerhedskode|kontrolcifre|sikkerhetskode|turvakoodi"
    "|kodbezpieczenstwa|guvenlikkodu|codsecuritate|biztonsagikod|bezpecnostnikod"
    # the same in Russian, Chinese and Japanese
    "|\u043a\u043e\u0434\u0431\u0435\u0437\u043e\u043f\u0430\u0441\u043d\u043e\u0441\u0442\u0438"
    "|\u5b89\u5168\u7801|\u30bb\u30ad\u30e5\u30ea\u30c6\u30a3\u30b3\u30fc\u30c8"
)
_CODE_PERHAPS: Final = re.compile(
    "^(?:card)?cid[0-9]?$|cardcode|^(?:verification|validation|verify)(?:code|value)|prue?f(?:ziffer|nummer)"
    "|cryptogramme|controlecode|codigo(?:de)?verifica|codiceverifica|securitycode|verificationvalue|^csc|^cv2$"
)
_PIN_WORDS: Final = frozenset("pin pins pin1 pin2 pinblock epb pvv de52 geheimzahl mpin upin tpin".split())  # noqa: SIM905
_PIN_NAMES: Final = re.compile(
    "pinblock|(?:card|atm|debit|credit|customer|user|encrypted|enc|entered|online|offline|clear|account|wallet)"
    "pin[0-9]?(?:block|code|number|no|nr|nummer|data|value|hash)?$"
    "|^pin(?:number|no|nr|nummer|data|value|hash|enc|encrypted)$|geheim(?:zahl|nummer|code)|codesecret"
    "|codeconfidentiel|clavesecreta|codicesegreto|codigosecreto|pinkod|pinverificationvalue"
    "|^(?:de|field|bit|f|df)0?52$"
)
_PIN_PERHAPS: Final = re.compile("pincode")  # in India a postal code
_TRACK_WORDS: Final = re.compile(
    "track[123](?:data)?|trk[123]|magstripe|magstrip|magnetstreifen|msr|(?:spur|piste|traccia|pista)[123]"
)
_TRACK_NAMES: Final = re.compile(
    "track[123]?(?:data|equivalent|equiv|raw|discretionary)"
    "|^(?:card|iso|raw|mag|full|encrypted|emv|chip)?track[123]$|(?:mag|magnetic)strip(?:e|es)?|magnetstreifen"
    "|magnetspur|bandamagnetica|bandemagnetique|pistemagnetique|swipedata|carddata$|rawcarddata"
    "|(?:emv|icc|chip)(?:data|tlv)|discretionarydata|^(?:de|field|bit|f|df)0?(?:35|36|45|55)$"
    "|^(?:tag|emv)(?:57|56|9f1f|9f20)$"
)
_ABOUT: Final = frozenset(
    """
    result results check checks checked match matched matches response resp status verified valid validated
    ok passed failed failures attempts attempt tries try retries retry count counter missing present presence
    provided supplied indicator flag type method mode length len capability required requested bypass bypassed
    changed change reset pad padid entry time date age days since name category pruefung ergebnis
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
    words = _WORDS.findall(_folded(name[:_LONGEST]))
    if not words:
        return None
    found = _meant(words, "".join(words))
    if found is not None and found.surely and not _ABOUT.isdisjoint(words):
        return SensitiveName(found.secret, surely=False)
    return found


def _folded(name: str) -> str:
    """In lower case, without accents, and with a blank before each word that begins with a capital."""
    if name.isascii():  # nearly always, and callers may make up a name for each of their attributes
        return _CAMEL.sub(" ", name).lower()
    spread = _CAMEL.sub(" ", unicodedata.normalize("NFKC", name))
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", spread.lower())
        if not unicodedata.combining(letter)
    )


def _meant(words: list[str], joined: str) -> SensitiveName | None:
    names = (joined, _joined_last(words)) if len(words) > 2 else (joined,)
    if any(map(_CODE_WORDS.fullmatch, words)) or any(map(_CODE_NAMES.search, names)):
        return SensitiveName(Secret.CODE, surely=True)
    if _PIN_NAMES.search(joined) or (not _PIN_WORDS.isdisjoint(words) and words[-1] != "code"):
        return SensitiveName(Secret.PIN, surely=True)
    if any(map(_TRACK_WORDS.fullmatch, words)) or any(map(_TRACK_NAMES.search, names)):
        return SensitiveName(Secret.TRACK, surely=True)
    if any(map(_CODE_PERHAPS.search, names)):
        return SensitiveName(Secret.CODE, surely=False)
    if _PIN_PERHAPS.search(joined):
        return SensitiveName(Secret.PIN, surely=False)
    return None


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
