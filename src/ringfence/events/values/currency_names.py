"""Signs and names of currencies, in place of their codes of ISO 4217."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from ringfence.events.values.visible import visible

SIGNS: Final[dict[str, str | None]] = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₽": "RUB",
    "₺": "TRY",
    "₴": "UAH",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "₦": "NGN",
    "฿": "THB",
    "₱": "PHP",
    "₡": "CRC",
    "₲": "PYG",
    "₸": "KZT",
    "₾": "GEL",
    "₼": "AZN",
    "₵": "GHS",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "лв": "BGN",
    "лв.": "BGN",
    "R$": "BRL",
    "US$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "NT$": "TWD",
    "MX$": "MXN",
    "Rs": "INR",
    "Rs.": "INR",
    "Fr.": "CHF",
    "SFr.": "CHF",
    "円": "JPY",
    "元": "CNY",
    "Euro": "EUR",
    "$": None,
    "¥": None,
    "￥": None,
    "kr": None,
    "kr.": None,
    "¢": None,  # of several currencies
}
"""Signs of currencies; None for one that several share."""

USUAL: Final = {"$": "USD", "¥": "JPY", "￥": "JPY"}
"""What a shared sign means most often, for drafts, which say that they take it so."""

_WORDS: Final = """
    EUR euro
    USD us dollar, usa dollar, united states dollar, american dollar, dollar americain,
        dolar estadounidense, dolar americano, amerikanischer dollar
    GBP british pound, pound sterling, sterling, uk pound, great british pound, gb pound, britisches pfund,
        pfund sterling, livre sterling, libra esterlina
    CHF swiss franc, schweizer franken, franken, franc suisse, franco svizzero, franco suizo
    JPY yen, japanese yen, japanischer yen
    CNY yuan, renminbi, chinese yuan, chinese renminbi, yuan renminbi, rmb
    INR indian rupee, indische rupie
    CAD canadian dollar, kanadischer dollar, dollar canadien
    AUD australian dollar, aussie dollar, australischer dollar
    NZD new zealand dollar
    HKD hong kong dollar
    SGD singapore dollar
    TWD new taiwan dollar, taiwan dollar, ntd
    SEK swedish krona, swedish kronor, schwedische krone
    NOK norwegian krone, norwegian kroner, norwegische krone
    DKK danish krone, danish kroner, danische krone
    ISK icelandic krona
    PLN zloty, polish zloty, polnischer zloty
    CZK czech koruna, koruna ceska, tschechische krone
    HUF forint, hungarian forint
    RON romanian leu, romanian lei
    TRY turkish lira, turk lirasi
    UAH hryvnia, ukrainian hryvnia
    RUB russian ruble, russian rouble
    BRL brazilian real, brazilian reais, real brasileiro
    MXN mexican peso, peso mexicano
    ARS argentine peso, peso argentino
    CLP chilean peso, peso chileno
    COP colombian peso, peso colombiano
    PEN peruvian sol, nuevo sol
    ZAR rand, south african rand
    NGN naira, nigerian naira
    KES kenyan shilling
    GHS cedi, ghanaian cedi
    EGP egyptian pound
    MAD moroccan dirham
    AED uae dirham, emirati dirham
    SAR saudi riyal
    QAR qatari riyal, qatari rial
    KWD kuwaiti dinar
    BHD bahraini dinar
    JOD jordanian dinar
    OMR omani rial
    ILS shekel, new shekel, israeli shekel, israeli new shekel, nis
    THB baht, thai baht
    IDR rupiah, indonesian rupiah
    MYR ringgit, malaysian ringgit
    PHP philippine peso
    VND dong, vietnamese dong
    KRW korean won, south korean won
    PKR pakistani rupee
    LKR sri lankan rupee
    BDT taka, bangladeshi taka
"""
_SHARED: Final = {"dollar": "USD", "pound": "GBP", "rupee": "INR"}
HUNDREDTHS: Final = frozenset({"GBp", "GBX", "ZAc", "ILa"})
"""Of pounds, rand and shekels, as exchanges write prices."""

_CODE: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
_LONGEST: Final = 40


def _plain(text: str) -> str:
    """A name in small letters without accents and dots, and no word with the s of a plural."""
    letters = unicodedata.normalize("NFKD", text.replace("\u0142", "l").replace("\u0141", "L"))
    bare = "".join(one for one in letters if not unicodedata.combining(one))
    words = re.sub(r"[\s_-]+", " ", bare.replace(".", "")).casefold().split()
    return " ".join(word.removesuffix("s") for word in words)


def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.split(r"\n {4}(?=[A-Z])", _WORDS.rstrip()):
        code, _, names = part.strip().partition(" ")
        found |= {_plain(name): code for name in names.split(",") if name.strip()}
    return found


_NAMES: Final = _by_name()


def code_of_sign(text: str) -> str | None:
    """The currency of a sign or of its usual name, "$" being the US dollar; None for what is neither.

    >>> [code_of_sign(one) for one in ("\u20ac", "US$", "$", "Pounds", "x")]
    ['EUR', 'USD', 'USD', 'GBP', None]
    """
    word = visible(text)
    return SIGNS.get(word) or USUAL.get(word) or _SHARED.get(_plain(word)) or _NAMES.get(_plain(word))


def is_shared(sign: str) -> bool:
    """Whether a sign or name is that of several currencies."""
    word = visible(sign)
    return (word in SIGNS and SIGNS[word] is None) or _plain(word) in _SHARED


@lru_cache(maxsize=1024)
def only_code(text: str, codes: frozenset[str]) -> str | None:
    """The one currency that a text means: by its sign, its name, or the one code that stands within it.

    >>> every = frozenset({"USD", "EUR"})
    >>> [only_code(one, every) for one in ("Euros", "US Dollar (USD)", "$", "USD/EUR")]
    ['EUR', 'USD', None, None]
    """
    if len(text) > _LONGEST:
        return None
    word = visible(unicodedata.normalize("NFKC", text))
    within = {one for one in _CODE.findall(word) if one in codes}
    if within:
        return within.pop() if len(within) == 1 else None
    return None if is_shared(word) else code_of_sign(word)
