"""Numbers of things are written with their noun: "1 case", never "1 cases"."""

import re
from pathlib import Path

import pytest

import ringfence.web

TEMPLATES = Path(ringfence.web.__file__).parent / "templates"
NOUNS = "payment|fraud|case|rule|row|record|event|member|link|decision|alert|file|message|byte"
BARE = re.compile(r"\{\{ *([^}]*?) *\| *(?:number|length) *\}\} (?:" + NOUNS + r")s\b")
NEVER_ONE = {"most", "found.scanned"}  # limits, and a search that was cut at thousands


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_a_number_of_things_agrees_with_its_noun(path):
    assert set(BARE.findall(path.read_text("utf-8"))) <= NEVER_ONE


def test_a_bare_plural_would_be_found():
    assert BARE.findall("<p>{{ page.total | number }} cases") == ["page.total"]
