"""Currencies: which codes ISO 4217 has or had at a time, their numbers, and how many decimals they have.

Dates are those of legal tender in Unicode's CLDR: a currency is one as long as it may be paid with, also
beside its successor.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from ringfence.events.values.currency_names import HUNDREDTHS, is_shared, only_code
from ringfence.events.values.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

_WITHOUT_MINOR_UNIT: Final = (
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
    "ADP BEF BYR ESP GRD ITL LUF MGF PTE TPE TRL"
)
_IN_THOUSANDTHS: Final = "BHD IQD JOD KWD LYD OMR TND"

CURRENCY_EXPONENT: Final = dict.fromkeys(_WITHOUT_MINOR_UNIT.split(), 0) | dict.fromkeys(
    _IN_THOUSANDTHS.split(), 3
)
"""ISO 4217 minor-unit exponents other than 2."""

_NOW: Final = """
    AED784 AFN971 ALL008 AMD051 AOA973 ARS032 AUD036 AWG533 AZN944 BAM977 BBD052 BDT050 BHD048 BIF108
    BMD060 BND096 BOB068 BRL986 BSD044 BTN064 BWP072 BYN933 BZD084 CAD124 CDF976 CHF756 CLP152 CNY156
    COP170 CRC188 CUP192 CVE132 CZK203 DJF262 DKK208 DOP214 DZD012 EGP818 ERN232 ETB230 EUR978 FJD242
    FKP238 GBP826 GEL981 GHS936 GIP292 GMD270 GNF324 GTQ320 GYD328 HKD344 HNL340 HTG332 HUF348 IDR360
    ILS376 INR356 IQD368 IRR364 ISK352 JMD388 JOD400 JPY392 KES404 KGS417 KHR116 KMF174 KPW408 KRW410
    KWD414 KYD136 KZT398 LAK418 LBP422 LKR144 LRD430 LSL426 LYD434 MAD504 MDL498 MGA969 MKD807 MMK104
    MNT496 MOP446 MRU929 MUR480 MVR462 MWK454 MXN484 MYR458 MZN943 NAD516 NGN566 NIO558 NOK578 NPR524
    NZD554 OMR512 PAB590 PEN604 PGK598 PHP608 PKR586 PLN985 PYG600 QAR634 RON946 RSD941 RUB643 RWF646
    SAR682 SBD090 SCR690 SDG938 SEK752 SGD702 SHP654 SLE925 SOS706 SRD968 SSP728 STN930 SVC222 SYP760
    SZL748 THB764 TJS972 TMT934 TND788 TOP776 TRY949 TTD780 TWD901 TZS834 UAH980 UGX800 USD840 UYI940
    UYU858 UZS860 VED926 VES928 VND704 VUV548 WST882 XAF950 XCD951 XCG532 XOF952 XPF953 YER886 ZAR710
    ZMW967 ZWG924
"""
_NUMBERS_BEFORE: Final = """
    AFA004 ATS040 AZM031 BEF056 BGN975 BYR974 CSD891 CUC931 CYP196 DEM276 EEK233 ESP724 FIM246 FRF250
    GHC288 GRD300 HRK191 IEP372 ITL380 LTL440 LUF442 LVL428 MGF450 MRO478 MTL470 MZM508 NLG528 PTE620
    ROL642 SDD736 SIT705 SKK703 SLL694 SRG740 STD678 TMM795 TRL792 VEB862 VEF937 ZMK894 ZWD716 ZWL932
"""
_UNTIL: Final = """
    ADP2001-12-31 AFA2002-12-31 ANG2025-06-30 ATS2002-02-28 AZM2006-12-31 BEF2002-02-28 BGN2026-01-31
    BYB2000-12-31 BYR2017-01-01 CSD2006-10-25 CUC2021-06-01 CYP2008-01-31 DEM2002-05-15 ECS2000-10-02
    EEK2010-12-31 ESP2002-02-28 FIM2002-02-28 FRF2002-02-17 GHC2007-12-31 GRD2002-02-28 HRK2023-01-14
    IEP2002-02-09 ITL2002-02-28 LTL2014-12-31 LUF2002-02-28 LVL2013-12-31 MGF2004-12-31 MRO2018-06-30
    MTL2008-01-31 MZM2006-12-31 NLG2002-02-28 PTE2002-02-28 ROL2006-12-31 SDD2007-06-30 SIT2007-01-14
    SKK2009-01-01 SLL2023-12-31 SRG2003-12-31 STD2017-12-31 TJR2000-10-25 TMM2009-01-01 TPE2002-05-20
    TRL2005-12-31 VEB2008-06-30 VEF2018-08-20 YUM2002-05-15 ZMK2013-01-01 ZWD2008-08-01 ZWL2024-08-31
"""
_SINCE: Final = "SLE2022-07-01 VED2021-10-01 XCG2025-03-31 ZWG2024-04-05"  # those that began not long ago
_DAY_MS: Final = 86_400_000
_EVER: Final = 2**62


def _ms(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * _DAY_MS


DATED: Final[dict[str, tuple[int, int]]] = {
    **{word[:3]: (-_EVER, _ms(word[3:]) + _DAY_MS) for word in _UNTIL.split()},
    **{word[:3]: (_ms(word[3:]), _EVER) for word in _SINCE.split()},
}
"""Codes that were none at some time since 2000: good from (inclusive) and until (exclusive), in ms."""

CURRENCIES: Final = frozenset(word[:3] for word in _NOW.split()) - DATED.keys()
"""Codes that need no look at the time."""

EVERY_CURRENCY: Final = frozenset(CURRENCIES | DATED.keys())
NUMERIC: Final = {word[3:]: word[:3] for word in (_NUMBERS_BEFORE + _NOW).split()}
"""Codes by their ISO 4217 numbers, which ISO 8583 messages carry."""


def currency_exponent(currency: str) -> int:
    """Number of minor-unit digits of an ISO 4217 currency.

    >>> currency_exponent("JPY"), currency_exponent("EUR"), currency_exponent("KWD")
    (0, 2, 3)
    """
    return CURRENCY_EXPONENT.get(currency, 2)


def major(amount: float, currency: str) -> str:
    """An amount in major units with the digits of its currency.

    >>> major(1234.5, "EUR"), major(1234, "JPY"), major(1.5, "KWD")
    ('1,234.50', '1,234', '1.500')
    """
    return f"{amount:,.{currency_exponent(currency)}f}"


def currency_code(written: str) -> str:
    """The letters of a code in capitals or not, of a number whose leading zeros may be lost, or of a name.

    >>> [currency_code(one) for one in ("usd", "978", "36", "Euros", "gold")]
    ['USD', 'EUR', 'AUD', 'EUR', 'GOLD']
    """
    word = visible(written).upper()
    if word in EVERY_CURRENCY:
        return written if written in HUNDREDTHS else word
    if word.isascii() and word.isdigit():
        return NUMERIC.get(word.zfill(3), word)
    return only_code(written, EVERY_CURRENCY) or word


def why_unknown(written: str) -> str:
    """What to do about a text that names no currency, or several."""
    if written in HUNDREDTHS:
        return "counts hundredths of a currency: write its code, such as GBP, with the amount in it"
    if is_shared(written):
        return "stands for several currencies: write the code of the one that is meant, such as USD"
    return "is no ISO 4217 currency code: write one, such as EUR, or name it under values of the mapping"


def validity(currency: str) -> str:
    """Words on when a code was one, for messages.

    >>> validity("HRK"), validity("VED")
    ('HRK was a currency until 2023-01-14', 'VED is a currency since 2021-10-01')
    """
    start, stop = DATED[currency]
    if stop < _EVER:
        return f"{currency} was a currency until {_day(stop - _DAY_MS)}"
    return f"{currency} is a currency since {_day(start)}"


def exponents_of(currency: Any, rows: int) -> NDArray[np.int64]:
    """Decimals of each row's currency, two where a row has none; `currency` may be no column at all."""
    if currency is None:
        return np.full(rows, 2)
    encoded = currency.dictionary_encode()
    table = [CURRENCY_EXPONENT.get(word, 2) for word in encoded.dictionary.to_pylist()] + [2]
    exponents: NDArray[np.int64] = np.array(table, np.int64)[
        pc.fill_null(encoded.indices, len(table) - 1).to_numpy(zero_copy_only=False)
    ]
    return exponents


def outside_validity(
    dated: Iterable[str], columns: Mapping[str, Any]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Of each of these codes the rows whose event happened when it was none."""
    times_of = columns.get("event_time_ms")
    if times_of is None:
        return
    ms = pc.fill_null(times_of, 0).to_numpy(zero_copy_only=False)
    for code in sorted(dated):
        start, stop = DATED[code]
        rows = pc.fill_null(pc.equal(columns["currency"], code), fill_value=False)
        yield code, rows.to_numpy(zero_copy_only=False) & ((ms < start) | (ms >= stop))


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
