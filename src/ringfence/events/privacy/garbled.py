"""What is kept of bytes that are no JSON: no card number, and nothing that follows the name of a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ringfence.events.bad import ORIGINAL_LIMIT
from ringfence.events.privacy.sensitive import Secret, named
from ringfence.masking import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DIGIT_RUN: Final = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,8}[0-9]){11,}")
_NAMED_VALUE: Final = re.compile(  # what is no name's value may be a name: it is only looked at
    r"(?<!\w)([^\W\d][^\n,;:={}\[\]\"']{0,79}?)([\s\"']*[:=,;][\s\"']*)"
    r"(?=((?<=[\"'])[^\"'\n]{1,200}(?=[\"'])|[0-9A-Fa-f;%?=^]{3,}))"
)
_AFTER_A_NAME: Final = re.compile(  # to the next quote, comma or line, whatever separates them
    r"(?<=[\"'])([^\W\d][^\n,;:={}\[\]\"']{0,79})([\"'])(?=([^\"'\n]{0,6}[\"']?[^\"'\n,}]{1,200}))"
)
_OPENS_AFTER_A_NAME: Final = re.compile(
    r"(?<=[\"'])([^\W\d][^\n,;:={}\[\]\"']{0,79})[\"']\s{0,99}[:=,;]?\s{0,99}[\[{]"
)
_ESCAPE: Final = re.compile(r"\\u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")
_BRACKET: Final = re.compile(r"[\[\]{}]")
_PLAIN_SECRET: Final = re.compile("[0-9A-Fa-f;%?=^]{3,}")
_ALONE: Final = r"(?![0-9]|[.,][0-9])"
_SPOKEN_CODE: Final = re.compile(  # in what somebody wrote: names that stand for nothing else
    r"(?i)(?<![^\W_])(?:cvv|cvc|cvn|security code|sicherheitscode)2?[\s:=#'\"-]{1,4}([0-9]{3,4})" + _ALONE
)
_SPOKEN_PIN: Final = re.compile(
    r"(?i)(?<![^\W_])pin[\s'\"]{0,2}[:=][\s'\"]{0,2}([0-9]{4,5}|[0-9]{7,12})" + _ALONE
)


def mask_digits(original: bytes, *, every: bool = False) -> bytes:
    """Bytes in which every run of 12 digits or more, with what stands between them, keeps its last four.

    Nor is anything kept that follows the name of sensitive authentication data; with `every` no digit is, nor
    in bytes with a NUL, which are no text.

    >>> mask_digits(b'{"card": 4111111111111111')
    b'{"card": ************1111'
    >>> mask_digits(b'd": 7, "pin": "hunter", "cid": "autumn"')
    b'd": 7, "pin": "***", "cid": "autumn"'
    """
    text = original[:ORIGINAL_LIMIT].decode(errors="surrogateescape")
    if every or "\0" in text:  # UTF-16, which has a NUL beside each letter of a name
        text = "".join("*" if letter.isdigit() else letter for letter in text)
    masked = without_secrets(mask_runs(text)).encode(errors="surrogateescape")
    return masked + b"*" * (len(original) - ORIGINAL_LIMIT)  # the rest is not kept anyway


def mask_runs(text: str) -> str:
    """A text in which every run of 12 digits or more keeps its last four."""
    out, at = "", 0
    for run in _DIGIT_RUN.finditer(fold(text)):
        end = run.end()
        out += text[at : run.start()] + "*" * (end - run.start() - 4) + text[end - 4 : end]
        at = end
    return out + text[at:] if at else text


def names_secret(text: str) -> bool:
    """Whether a name of authentication data and a value stand in a text."""
    return any(map(_is_secret, _NAMED_VALUE.finditer(text)))


def spoken_secrets(text: str) -> list[tuple[Secret, tuple[int, int]]]:
    """Codes and PINs behind their names in words of any text, with where their digits stand, in order.

    >>> spoken_secrets("read over the phone: CVV 737")
    [(<Secret.CODE: 'verification codes'>, (25, 28))]
    """
    found = [(Secret.CODE, one.span(1)) for one in _SPOKEN_CODE.finditer(text)]
    found += [(Secret.PIN, one.span(1)) for one in _SPOKEN_PIN.finditer(text)]
    return sorted(found, key=lambda one: one[1])


def without_spoken(text: str, told: Callable[[Secret], object] = lambda _: None) -> str:
    """A text without `spoken_secrets`; `told` hears of each."""
    found = spoken_secrets(text)
    for secret, _ in found:
        told(secret)
    return _stars(text, [span for _, span in found])


def without_secrets(text: str) -> str:
    """A text without what follows the name of authentication data.

    >>> without_secrets('{"number": "tok_1", "cvv": "737"}, PIN: 4711')
    '{"number": "tok_1", "cvv": "***"}, PIN: ***'
    """
    spans = [*_nested_secrets(text), *(one.span(3) for one in _NAMED_VALUE.finditer(text) if _is_secret(one))]
    ends = {end for _, end in spans}
    behind = (one.span(3) for one in _AFTER_A_NAME.finditer(text) if _is_surely_secret(one[1]))
    return _stars(text, sorted([*spans, *(span for span in behind if span[1] not in ends)]))


def _nested_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Lists and objects with the name of authentication data, each to its end, or to that of the text."""
    at = 0
    while found := _OPENS_AFTER_A_NAME.search(text, at):
        at = found.end()
        if _is_surely_secret(found[1]):
            start, at = at - 1, _closed(text, at)
            yield start, at


def _closed(text: str, at: int) -> int:
    """Where the list or object ends that `at` is the inside of."""
    depth = 1
    for bracket in _BRACKET.finditer(text, at):
        depth += 1 if bracket[0] in "[{" else -1
        if not depth:
            return bracket.end()
    return len(text)


def _stars(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text with three stars for each of these parts, which come in order and may overlap."""
    out, at = "", 0
    for start, end in spans:
        if start >= at:
            out += f"{text[at:start]}***"
        at = max(at, end)
    return out + text[at:]


def _unescaped(name: str) -> str:
    """A name without the escapes of JSON and of addresses, which nobody has read in garbled text."""
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), name)


def _is_surely_secret(name: str) -> bool:
    """Whether a name means authentication data and nothing else."""
    known = named(_unescaped(name))
    return known is not None and known.surely


def _is_secret(found: re.Match[str]) -> bool:
    """Whether a name and a value are of authentication data: any text is where nothing else has the name."""
    known = named(_unescaped(found[1]))
    return known is not None and (known.surely or _PLAIN_SECRET.fullmatch(found[3]) is not None)
