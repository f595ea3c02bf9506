"""Where card numbers stand in a text, however they are written there.

A card number is 12 to 19 digits, in one run or in groups, that pass the Luhn check. Digits of any script
count, and any separator: spaces of any width, dots, slashes, dashes, zero-width characters, also as web pages
and addresses encode them (&nbsp;, %20). Two grades tell a card number from other long numbers:

- in ids (`strict`) the first digits must be a card network's, with that network's length, so that an order
  number, an IMEI or a time in milliseconds stays what it is;
- in free text any first digit counts, except what reads as a time.

Neither takes a date, a phone number with a plus, an address, coordinates, one decimal number or a hexadecimal
id for a card. A card number beside letters alone, and track 2 as chips write it (4111111111111111D2512201),
are no ids, whatever their length.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST: Final = 12
LONGEST: Final = 19
GAP: Final = 8  # characters between two groups of one number, not counting those without width

_IGNORED: Final = "\0"  # stands for a character without width
_DIGITS: Final = re.compile("[0-9]+")
_GAP: Final = f"(?:{_IGNORED}+|(?:{_IGNORED}*[^0-9A-Za-z{_IGNORED}]){{1,{GAP}}}{_IGNORED}*)"
_SEQUENCE: Final = re.compile(f"[0-9]+(?:{_GAP}[0-9]+)*")
_WORTH_A_LOOK: Final = re.compile(f"[0-9](?:[^0-9A-Za-z]*[0-9]){{{SHORTEST - 1}}}")
_ENCODED: Final = re.compile(  # a separator: a blank, a dash, a point, a slash or a line's end
    r"(?:%C2)?%(?:20|2D|2E|2F|5F|A0|AD|09|0A|0D)|&(?:nbsp|ensp|emsp|thinsp|shy|ndash|mdash|#160|#32|#45|#x?a0|#x20);"
    r"|\\u(?:00a0|00ad|2000|2009|200b|2010|2011|2012|2013|2014|202f|feff)|\\[tnr]",
    re.IGNORECASE,
)
_WORD_PART: Final = re.compile("[0-9A-Za-z-]")
_RUN_PART: Final = re.compile("[0-9A-Za-z]")
_LONGEST_WORD: Final = 256  # characters, more than any hexadecimal id has
_MANY_LETTERS: Final = 5  # beside a card number and no other digit
_OF_CHIP: Final = re.compile(  # a number with its padding; track 2 with D in place of =
    "3[47][0-9]{13}F|[0-9]{12,14}F{2,4}|[0-9]+D[0-9]{4,}F*", re.IGNORECASE
)
_HEXADECIMAL: Final = re.compile("[0-9a-fA-F-]*[a-fA-F][0-9a-fA-F-]*")
_HEX_LENGTHS: Final = frozenset({16, 24, 32, 40, 48, 56, 64, 96, 128})
_ADDRESS: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:[:/][0-9]{1,5})?"
_DATE_AND_TIME: Final = (
    r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}[ ,_-]{1,3}[0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2})?"
    r"(?:[.,][0-9]+)?(?: ?[+-][0-9]{2}:?[0-9]{2})?"
)
_DECIMALS: Final = r"[0-9]{1,9}\.[0-9]+|[0-9]{1,3}\.[0-9]+(?:[,; ]{1,3}[+-]?[0-9]{1,3}\.[0-9]+)+"
_OTHER: Final = re.compile(f"{_ADDRESS}|{_DATE_AND_TIME}|{_DECIMALS}")
_CLOCK: Final = re.compile(
    "(?:1[0-9]|2[0-5])[0-9]{11}|(?:1[3-9]|2[0-5])(?:[0-9]{14}|[0-9]{17})"  # milli-, micro-, nanoseconds
    "|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{4,9}"  # written without separators
)
_PHONE_DIGITS: Final = 15  # the most that a phone number with a plus has
_BEHIND_PLUS: Final = f" ({_IGNORED}"
_PADDED: Final = 16  # digits from which zeros in front are padding
_ZEROS_IN_FRONT: Final = LONGEST - SHORTEST  # of a card number at most
_MANY_DIGITS: Final = 64  # in one sequence, from which sums of all of them cost less than one check a run
_TRACK_HEAD: Final = re.compile(r"%?[Bb]?$|;$")
_TRACK_TAIL: Final = re.compile(r"\s*\^[^^]{0,40}\^?[0-9A-Za-z =;?]*|\s*[=Dd]\s*[0-9]{4,}[0-9Ff]*\??")


class FoundCard(NamedTuple):
    """A card number in a text: from where to where, its digits, and whether it is part of track data."""

    start: int
    end: int
    digits: str
    is_track: bool = False


def is_card_number(digits: str) -> bool:
    """Whether these ASCII digits are a card number of a network that there is.

    >>> list(map(is_card_number, ("4111111111111111", "4111111111111112", "490154203237518")))
    [True, False, False]
    """
    return SHORTEST <= len(digits) <= LONGEST and is_network(int(digits[:4]), len(digits)) and luhn(digits)


def is_network(prefix: int, length: int) -> bool:
    """Whether card numbers with these first four digits have so many digits.

    >>> is_network(4111, 16), is_network(4111, 15), is_network(3782, 15), is_network(9999, 16)
    (True, False, True, False)
    """
    first, two, three = prefix // 1000, prefix // 100, prefix // 10
    if 51 <= two <= 55 or 2221 <= prefix <= 2720:  # Mastercard
        return length == 16
    if first in (5, 6):  # Maestro, which has the short numbers, Discover, UnionPay, RuPay
        return length >= 12
    if first == 4:  # Visa
        return length == 13 or length >= 16
    if two in (34, 37):  # American Express
        return length == 15
    if 300 <= three <= 305 or prefix == 3095 or two in (36, 38, 39):  # Diners Club
        return length >= 14
    # JCB; Mir; UnionPay and RuPay; Uzcard, Troy, Napas, Humo
    others = 3528 <= prefix <= 3589 or 2200 <= prefix <= 2205 or two in (81, 82)
    return length >= 16 and (others or prefix in (8600, 9704, 9792, 9860))


def luhn(digits: str) -> bool:
    """Whether ASCII digits end in the check digit of ISO/IEC 7812."""
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


def replace_cards(text: str, replacement: Callable[[FoundCard], str], *, strict: bool = False) -> str:
    """The text with each card number, and the rest of a track around it, replaced.

    >>> replace_cards("card 4111.1111.1111.1111 exp 12/27", lambda found: "*" + found.digits[-4:])
    'card *1111 exp 12/27'
    """
    found = find_cards(text, strict=strict)
    if not found:
        return text
    out, at = "", 0
    for card in found:
        out += text[at : card.start] + replacement(card)
        at = card.end
    return out + text[at:]


def mask_cards(text: str, *, strict: bool = False) -> str:
    """The text with the last four digits only of each card number: for messages, which nothing is joined by.

    >>> mask_cards("no file 4111-1111-1111-1111.csv")
    'no file ****1111.csv'
    """
    return replace_cards(text, lambda found: "****" + found.digits[-4:], strict=strict)


def list_ids(ids: Iterable[str], word: str = "and") -> str:
    """Ids in a message, with a word between them: the digits around a comma may read as one card number.

    >>> mask_cards(list_ids(["tx-41111111", "11111111-a"]))
    'tx-41111111 and 11111111-a'
    """
    return f" {word} ".join(ids)


def lettered(hexadecimal: str) -> str:
    """A new id of hexadecimal digits with a letter at both ends: nothing around it makes it look like a card.

    >>> lettered("8709837535005666"), lettered("00c1")
    ('c70983753500566a', 'a0cb')
    """
    return hexadecimal[0].translate(_LETTERS) + hexadecimal[1:-1] + hexadecimal[-1].translate(_LETTERS)


_LETTERS: Final = str.maketrans("0123456789", "abcdefabcd")


def find_cards(text: str, *, strict: bool = False) -> list[FoundCard]:
    """The card numbers in a text, in order."""
    if len(text) < SHORTEST:
        return []
    folded = fold(text)
    found: list[FoundCard] = []
    if _WORTH_A_LOOK.search(folded):
        for sequence in _SEQUENCE.finditer(folded):
            if sequence.end() - sequence.start() >= SHORTEST and not _OTHER.fullmatch(sequence[0]):
                _find_in_groups(folded, sequence, found, strict=strict)
    return found


def names_card(text: str, query: str = "") -> bool:
    """Whether an id, or an address, names a card by its number.

    The text, or path, counts as it stands and percent-decoded; a query has not been decoded.

    >>> names_card("/%B4111111111111111^DOE"), names_card("/x", "id=4111%201111%201111%201111")
    (True, True)
    """
    texts = (text, unquote_plus(text), unquote_plus(query))
    return any(find_cards(one, strict=True) for one in texts)


def fold(text: str) -> str:
    r"""A text of the same length with ASCII for digits of any script, for letters, and for separators.

    >>> fold("\uff14\uff11\u200b1\u00e9")
    '41\x001z'
    """
    if "%" in text or "&" in text or "\\" in text:
        text = _ENCODED.sub(lambda found: " " * len(found[0]), text)
    return text if text.isascii() else "".join(map(_folded, text))


@lru_cache(4096)
def _folded(letter: str) -> str:
    if letter.isascii():
        return letter
    digit = unicodedata.digit(letter, -1)
    if digit >= 0:
        return str(digit)
    kind = unicodedata.category(letter)
    if kind[0] == "L":
        return "z"  # no hexadecimal digit
    return _IGNORED if kind[0] in "MC" else " "


class _Groups:
    """The groups of digits of one sequence: where each stands, and the digits without what parts them.

    The Luhn check doubles every second digit in front of the last, so those at even places where a run ends
    behind an even number of digits. `_sums` holds both sums, modulo 10, up to each place, and the sum of any
    run is a difference of two of them. A short text has none: making them would cost more than they save.
    """

    def __init__(self, folded: str, sequence: re.Match[str]) -> None:
        found = list(_DIGITS.finditer(folded, *sequence.span()))
        self.spans = [one.span() for one in found]
        self.digits = "".join([one[0] for one in found])
        self._offsets = [0, *accumulate([end - start for start, end in self.spans])]
        is_long = len(self.digits) > _MANY_DIGITS
        self._sums = (_luhn_sums(self.digits, 0), _luhn_sums(self.digits, 1)) if is_long else None

    def may_begin(self, first: int) -> bool:
        """Whether any run of 12 to 19 digits from group `first` on may be a card number."""
        if self._sums is None:
            return True
        at, (even, odd) = self._offsets[first], self._sums
        low, high = at + SHORTEST, at + LONGEST + 1
        passes = even[at] in even[low + at % 2 : high : 2] or odd[at] in odd[low + 1 - at % 2 : high : 2]
        return passes and self.digits[at : at + _ZEROS_IN_FRONT + 1].strip("0") != ""

    def run(self, first: int, last: int) -> str:
        """The digits of groups `first` to `last` where they pass the Luhn check, otherwise none."""
        start, end = self._offsets[first], self._offsets[last + 1]
        if self._sums is None:
            digits = self.digits[start:end]
            return digits if luhn(digits) else ""
        sums = self._sums[end % 2]
        return self.digits[start:end] if sums[start] == sums[end] else ""


def _luhn_sums(digits: str, parity: int) -> bytes:
    """Sums, modulo 10, of the digits up to each place, those at places of this parity doubled."""
    values = bytearray(map(int, digits))
    values[parity::2] = map(int, digits[parity::2].translate(_DOUBLED))
    return bytes(total % 10 for total in accumulate(values, initial=0))


def _find_in_groups(folded: str, sequence: re.Match[str], found: list[FoundCard], *, strict: bool) -> None:
    groups = _Groups(folded, sequence)
    at = 0 if len(groups.digits) >= SHORTEST else len(groups.spans)
    while at < len(groups.spans):
        stop = _card_end(folded, groups, at, strict=strict) if groups.may_begin(at) else 0
        if stop:
            start, end = groups.spans[at][0], groups.spans[stop - 1][1]
            card = _with_track(folded, start, end, groups.run(at, stop - 1))
            found.append(card)
            while stop < len(groups.spans) and groups.spans[stop][0] < card.end:
                stop += 1
        at = stop or at + 1


def _card_end(folded: str, groups: _Groups, first: int, *, strict: bool) -> int:
    """Place after the last group of a card that begins at group `first`, 0 when none does.

    Its groups but the last have four digits or more, or all of them one size, or there are no others around.
    """
    count, long, even = 0, True, True
    begin, end = groups.spans[first]
    size = end - begin
    for at in range(first, len(groups.spans)):
        start, end = groups.spans[at]
        width = end - start
        count += width
        if count > LONGEST:
            return 0
        alone = first == 0 and at == len(groups.spans) - 1
        if count >= SHORTEST and (long or alone or (even and width <= size)):
            digits = groups.run(first, at)
            is_card = digits and _is_card(digits, strict=strict or not long)
            if is_card and not _is_other(folded, begin, end, count):
                return at + 1
        long = long and width >= 4
        even = even and width == size
        if not (long or even or first == 0):
            return 0
    return 0


def _is_card(digits: str, *, strict: bool) -> bool:
    """Whether digits that pass the Luhn check are a card number."""
    bare = digits.lstrip("0") if len(digits) >= _PADDED else digits
    if len(bare) < SHORTEST or bare[0] == "0":
        return False
    return is_network(int(bare[:4]), len(bare)) or not (strict or _CLOCK.fullmatch(bare))


def _is_other(folded: str, start: int, end: int, digits: int) -> bool:
    """Whether these digits are something else by what stands around them."""
    if digits <= _PHONE_DIGITS and _follows_plus(folded, start):
        return True
    if _OTHER.fullmatch(folded, start, end):
        return True
    if folded[end : end + 4].lstrip()[:1] == "^":  # %B378282246310005^ has the look of a hexadecimal id
        return False
    return _is_in_hexadecimal_id(folded, start, end)


def _follows_plus(folded: str, start: int) -> bool:
    while start and folded[start - 1] in _BEHIND_PLUS:
        start -= 1
    return folded[max(0, start - 1) : start] == "+"


def _is_in_hexadecimal_id(folded: str, start: int, end: int) -> bool:
    """Whether digits are part of an id: of the word around them, or of the run at an end, as in row-4f…."""
    number = folded[start:end]
    before, behind = _before(folded, start, _WORD_PART), _behind(folded, end, _WORD_PART)
    if _is_hexadecimal(before + number + behind) and not _is_dressed(before, number, behind):
        return True
    before, behind = _before(folded, start, _RUN_PART), _behind(folded, end, _RUN_PART)
    groups = _DIGITS.findall(number)
    is_id = _is_hexadecimal(before + groups[0]) or _is_hexadecimal(groups[-1] + behind)
    if len(groups) == 1:
        is_id = _is_hexadecimal(before + number + behind)
    return is_id and not _is_dressed(before, number, behind)


def _is_dressed(before: str, number: str, behind: str) -> bool:
    """Whether a card number stands in a word that has the length and the letters of a hexadecimal id.

    The rest of such a word is a chip's padding, the end of a track, or five letters or more and no digit. Not
    one id in a million that is drawn at random looks so.
    """
    digits = "".join(_DIGITS.findall(number))
    if not is_card_number(digits):
        return False
    if not before and _OF_CHIP.fullmatch(digits + behind):
        return True
    rest = (before + behind).replace("-", "")
    return len(rest) >= _MANY_LETTERS and rest.isalpha()


def _before(folded: str, start: int, part: re.Pattern[str]) -> str:
    """The signs in front of a place that are `part` of a word; more than any id has where it is longer."""
    left = start
    while left and start - left <= _LONGEST_WORD and part.match(folded[left - 1]):
        left -= 1
    return folded[left:start]


def _behind(folded: str, end: int, part: re.Pattern[str]) -> str:
    """Likewise, behind a place."""
    right = end
    while right < len(folded) and right - end <= _LONGEST_WORD and part.match(folded[right]):
        right += 1
    return folded[end:right]


def _is_hexadecimal(word: str) -> bool:
    return len(word.replace("-", "")) in _HEX_LENGTHS and _HEXADECIMAL.fullmatch(word) is not None


def _with_track(folded: str, start: int, end: int, digits: str) -> FoundCard:
    """The card, with the rest of a magnetic stripe's track where one follows."""
    tail = _TRACK_TAIL.match(folded, end)
    if tail is None:
        return FoundCard(start, end, digits)
    head = _TRACK_HEAD.search(folded, max(0, start - 2), start)
    return FoundCard(start - len(head[0]) if head else start, tail.end(), digits, is_track=True)
