"""A backtest as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import jinja2

from ringfence.scoring.rulesets.outcomes import OUTCOMES

if TYPE_CHECKING:
    from ringfence.analysis.report import Report


def page(report: Report, title: str) -> str:
    """The page's text."""
    return _template().render(report=report, title=title, outcomes=[str(one) for one in OUTCOMES])


@cache
def _template() -> jinja2.Template:
    text = (resources.files("ringfence.analysis") / "backtest.html").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
