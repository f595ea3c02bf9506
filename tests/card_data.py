"""Card numbers of test cards in many spellings, and a search for them in whatever has been written."""

from __future__ import annotations

import re
import unicodedata

import pyarrow.parquet as pq

NUMBERS = (
    "4111111111111111",
    "5500005555555559",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    "2223003122003222",
    "6759649826438453",
    "6200000000000005",
    "4222222222222",
    "503857220415",
    "4917610000000000003",
)


def _grouped(separator: str):
    return lambda number: separator.join(re.findall("....|.+", number))


def _in_digits_of(zero: str):
    return lambda number: "".join(chr(ord(zero) + int(digit)) for digit in number)


SPELLINGS = {
    "plain": str,
    "spaces": _grouped(" "),
    "dots": _grouped("."),
    "slashes": _grouped("/"),
    "no-break spaces": _grouped("\u00a0"),
    "full-width spaces": _grouped("\u3000"),
    "underscores": _grouped("_"),
    "two kinds": lambda number: number[:4] + "-" + number[4:9] + " " + number[9:],
    "zero-width": "\u200b".join,
    "one by one": " ".join,
    "full-width digits": _in_digits_of("\uff10"),
    "Arabic digits": _in_digits_of("\u0660"),
    "Devanagari digits": _in_digits_of("\u0966"),
    "in a word": lambda number: f"PAN{number}x",
    "in a sentence": lambda number: f"paid with {number}, twice",
    "as addresses encode it": _grouped("%20"),
    "as web pages encode it": _grouped("&nbsp;"),
    "as JSON in a text has it": _grouped("\\u00a0"),
    "track 1": lambda number: f"%B{number}^DOE/JANE^25121011234567890000?",
    "track 2": lambda number: f";{number}=25121011234567890000?",
}
PLANTED = {
    f"{name} {number}": spell(number)
    for at, number in enumerate(NUMBERS)
    for place, (name, spell) in enumerate(SPELLINGS.items())
    if number == NUMBERS[0]
    or place % len(NUMBERS) == at
    or (place + 4) % len(NUMBERS) == at
    or (place + 8) % len(NUMBERS) == at
}
"""By name: each spelling of one number, and each number in several spellings; more than fifty."""

_DIGITS_OF = {number: re.compile(r"[^0-9a-z]{0,8}".join(number)) for number in NUMBERS}


def leaks(written: bytes) -> list[str]:
    """The card numbers that stand in these bytes, in whatever spelling."""
    text = "".join(map(_folded, written.decode(errors="replace")))
    return [number for number, digits in _DIGITS_OF.items() if digits.search(text)]


def leaks_under(folder) -> dict[str, list[str]]:
    """By file of a folder what leaks; the cells of Parquet files are looked at, too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            written = path.read_bytes()
            if path.suffix == ".parquet":
                written += str(pq.read_table(path).to_pylist()).encode(errors="replace")
            found[str(path)] = leaks(str(path).encode() + b"\n" + written)
    return {path: numbers for path, numbers in found.items() if numbers}


def _folded(letter: str) -> str:
    digit = unicodedata.digit(letter, -1)
    if digit >= 0:
        return str(digit)
    return letter.lower() if letter.isalpha() else "x" if _is_binary(letter) else " "


def _is_binary(letter: str) -> bool:
    """No text: a column of times, all alike, is a digit and seven such bytes again and again."""
    return letter == "\ufffd" or (letter < " " and letter not in "\t\n\r")
