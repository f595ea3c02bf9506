"""Remedies of messages that name a command, told on a page: a link to the page that shows the same."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

_PAGES: Final = {
    "alerts list": ("/alerts", "Alerts"),
    "approvals list": ("/approvals", "Approvals"),
    "cases list": ("/cases", "Cases"),
    "followers list": ("/system", "System"),
    "models list": ("/models", "Models"),
    "quarantine list": ("/quarantine", "Quarantine"),
    "rules show": ("/rules", "Rules"),
    "rules versions": ("/rules/versions", "Versions"),
    "sessions list": ("/sessions", "Sessions"),
}
_COMMAND: Final = re.compile(rf"`ringfence ({'|'.join(_PAGES)})`")


def linked(text: str) -> Markup:
    """A message with a link in place of each command that a page stands for.

    >>> linked("no <b>: `ringfence cases list` shows them")
    Markup('no &lt;b&gt;: the page <a href="/cases">Cases</a> shows them')
    """
    whole, at = Markup(), 0
    for found in _COMMAND.finditer(text):
        address, name = _PAGES[found[1]]
        whole += escape(text[at : found.start()])
        whole += Markup('the page <a href="{}">{}</a>').format(address, name)
        at = found.end()
    return whole + escape(text[at:])
