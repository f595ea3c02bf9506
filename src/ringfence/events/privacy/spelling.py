"""A name as its words, however it is written: neither case nor accents, width, dots or lookalikes count."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORDS: Final = re.compile(r"(?:[^\W_]|[\u0900-\u0e4e])+")  # vowels of India and Thailand are marks
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST: Final = 200  # characters of a name that are looked at
_LATIN: Final = re.compile("[A-Za-z]")
_LOOKALIKES: Final = str.maketrans(  # Cyrillic, then Greek
    "АВСЕНІКМОРТХУЅЈасеорхуіѕјкт" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧνορικτυχ",
    "ABCEHIKMOPTXYSJaceopxyisjkt" + "ABEZHIKMNOPTYXvopiktux",
)
_SPELT: Final = re.compile(r"(?<!\S)\S(?: \S){2,}(?!\S)")


def words_of(name: str) -> list[str]:
    """The words of a name in lower case.

    >>> words_of("enteredCVV"), words_of("Prüf-Ziffer"), words_of("\uff50\uff49\uff4e")
    (['entered', 'cvv'], ['pruf', 'ziffer'], ['pin'])
    """
    return _WORDS.findall(_folded(name[:_LONGEST]))


def spelt_out(words: list[str]) -> list[str]:
    """Words that are written letter by letter.

    >>> spelt_out(["card", "p", "i", "n"])
    ['pin']
    """
    return [one[0].replace(" ", "") for one in _SPELT.finditer(" ".join(words))]


def _folded(name: str) -> str:
    """In lower case, without accents, and with a blank before each word that begins with a capital."""
    if name.isascii():  # nearly always, and callers may make up a name for each of their attributes
        return _CAMEL.sub(" ", name).lower()
    latin = _WORDS.sub(_in_latin, unicodedata.normalize("NFKC", name))
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", _CAMEL.sub(" ", latin).lower())
        if not unicodedata.combining(letter) and unicodedata.category(letter) != "Cf"
    )


def _in_latin(word: re.Match[str]) -> str:
    """A word with Latin letters in place of those that look like them, where it has Latin ones as well."""
    return word[0].translate(_LOOKALIKES) if _LATIN.search(word[0]) else word[0]
