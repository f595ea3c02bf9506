"""One word for one thing, in pages, command line and documentation."""

import re
from pathlib import Path

import pytest

from .pages import PAGES

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "src" / "ringfence" / "web" / "templates"
INSTEAD = {
    r"\bput (?:it |them )?in force\b": "activate (rules), promote (models)",
    r"\bin force\b": "active",
    r"\btake(?:s|n)? off\b|\bput on (?:a|the|it)\b": "remove, add",
    r"\bfor ever\b": "never expires",
    r"\bis said\b|\bare said\b": "name who says it",
    r"\bOur fault\b|\bour fault\b": "Something went wrong",
    r"\bTry on the past\b": "Backtest",
    r"\bspoken\b|\bspeak in the shadow\b": "scored, run in shadow",
    r"\bTo be known\b": "Notes",
    r"\bsound version\b": "valid",
    r"\bnot fraud\b": "genuine",
    r"\bworth promoting\b": "promote despite the warnings",
    r"\bDecided without a part\b": "Degraded decisions",
    r"\bSaid last\b": "Last answer",
    r"\b[Tt]hrow(?:s|n)? \w+ away\b|\b[Tt]hrow away\b": "delete",
    r"\bNobody is told\b|\bhears of what\b": "name subscriptions and destinations",
    r"\b(?:waits|wait) for you\b": "needs your attention",
    r"\bprofiles of now\b": "today's profiles",
    r"\bby the versions that\b": "with the versions that",
    r"\bgo(?:es)? on\b(?! record)": "continue",
    r"\basked for by\b": "give, name",
    r"\b[Ww]hat raises no\b": "muted",
    r"\bdemands\b": "requires",
    r"\bto be retried\b": "await a retry",
}
"""Words that were used once, and those that are used."""

CLI = {
    word: INSTEAD[word]
    for word in INSTEAD
    if word not in (r"\bin force\b", r"\bput (?:it |them )?in force\b", r"\bgo(?:es)? on\b(?! record)")
}
"""The command line's long texts still explain what being in force means, and what goes on where it was."""


def text_of(template):
    """What a reader sees: without tags, expressions and statements."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", " ", template.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", text)


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_pages_use_the_words_of_the_glossary(template):
    text = text_of(template)
    for word, better in INSTEAD.items():
        found = re.search(word, text)
        assert found is None, f"{template.name} says {found[0]!r}: {better}"


def test_the_command_line_uses_them_too():
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8"))
    for word, better in CLI.items():
        found = re.search(word, text)
        assert found is None, (
            f"`ringfence --help` says {text[found.start() - 60 : found.end() + 20]!r}: {better}"
        )


def test_the_documentation_names_who_says_something():
    pages = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"]
    assert len(pages) > 50
    found = [page.name for page in pages if re.search(r"\b(?:is|are) said\b", page.read_text("utf-8"))]
    assert not found
