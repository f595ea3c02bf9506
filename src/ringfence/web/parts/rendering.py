"""Templates filled in: every value escaped, numbers and times written one way everywhere."""

from __future__ import annotations

import hashlib
import math
import mimetypes
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from ringfence.access.roles import Permission
from ringfence.access.table import NEEDED
from ringfence.alerts.model import topic
from ringfence.api.services import Surroundings, services_of
from ringfence.decisions.period import RANGES
from ringfence.events.values.currencies import major
from ringfence.scoring.artifacts.reasons import sentence
from ringfence.scoring.language.words import percent, times
from ringfence.scoring.rulesets.outcomes import OUTCOMES
from ringfence.web.parts import period
from ringfence.web.parts.metric_names import metric_name
from ringfence.web.parts.remedies import linked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from ringfence.web.shield import Visit

_DASH: Final = "–"
_STATIC: Final = resources.files("ringfence.web") / "static"
_LARGEST_ID: Final = 2**53  # a double holds every whole number up to here: ids, such as a component's


def number(value: float | None, digits: int = 0) -> str:
    """With thousands apart.

    >>> number(1234567), number(0.12345, 2), number(None)
    ('1,234,567', '0.12', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _DASH
    return f"{value:,.{digits}f}"


def counted(value: int, one: str, several: str | None = None) -> str:
    """A number of things, in words.

    >>> counted(1, "case"), counted(1200, "case"), counted(0, "party", "parties")
    ('1 case', '1,200 cases', '0 parties')
    """
    return f"{value:,} {one if value == 1 else several or one + 's'}"


def feature(value: float | None) -> str:
    """A measured value, short.

    >>> feature(3.0), feature(0.123456), feature(None), feature(1234.5), feature(4.68e15 + 1), feature(1e40)
    ('3', '0.1235', 'unknown', '1,234.5', '4680000000000001', '1e+40')
    """
    if value is None:
        return "unknown"
    if abs(value) < 1e15:
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:.0f}" if abs(value) <= _LARGEST_ID else f"{value:.3g}"


def money(amount: float | None, currency: str | None = None) -> str:
    """In major units with the digits of its currency.

    >>> money(1234.5, "EUR"), money(1234, "JPY"), money(None, "EUR")
    ('1,234.50 EUR', '1,234 JPY', '–')
    """
    if amount is None:
        return _DASH
    return f"{major(amount, currency or '')} {currency or ''}".rstrip()


def sums(by_currency: Mapping[str, float]) -> str:
    """Amounts of several currencies, which nobody adds up.

    >>> sums({"USD": 5.0, "EUR": 12.5}), sums({})
    ('12.50 EUR + 5.00 USD', '–')
    """
    return " + ".join(money(amount, currency) for currency, amount in sorted(by_currency.items())) or _DASH


def when(time_ms: int | None, *, seconds: bool = True) -> str:
    """In the zone of the page, UTC unless it says otherwise.

    >>> when(1709288100120), when(1709288100120, seconds=False), when(None)
    ('2024-03-01 10:15:00', '2024-03-01 10:15', '–')
    """
    if time_ms is None:
        return _DASH
    moment = period.local(time_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def share(part: float, whole: float, digits: int = 1) -> str:
    """A part as per cent.

    >>> share(1, 8), share(1, 0)
    ('12.5 %', '–')
    """
    return f"{100 * part / whole:.{digits}f} %" if whole else _DASH


def duration(seconds: float | None) -> str:
    """How long.

    >>> duration(0.0021), duration(42), duration(4000), duration(200_000), duration(None)
    ('2.1 ms', '42 s', '1 h 6 min', '2 d 7 h', '–')
    """
    if seconds is None:
        return _DASH
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def left(seconds: float) -> str:
    """How much time is left until something is due.

    >>> left(3700), left(-100)
    ('in 1 h 1 min', '100 s late')
    """
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(max(-seconds, 1))} late"


@cache
def asset(path: str) -> tuple[bytes, str, str]:
    """A static file: content, media type and hash. `KeyError` for what is none."""
    parts = path.split("/")
    if len(parts) > 2 or any(not part or part.startswith(".") for part in parts):
        raise KeyError(path)
    file = _STATIC.joinpath(*parts)
    if not file.is_file():
        raise KeyError(path)
    content = file.read_bytes()
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return content, kind, hashlib.sha256(content).hexdigest()[:12]


def static(path: str) -> str:
    """Address of a static file, which changes with its content."""
    return f"/static/{path}?v={asset(path)[2]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ringfence.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "number": number,
        "counted": counted,
        "feature": feature,
        "money": money,
        "sums": sums,
        "when": when,
        "duration": duration,
        "left": left,
        "metric_name": metric_name,
        "linked": linked,
        "percent": percent,
        "sentence": sentence,
        "times": times,
        "topic": topic,
    }
    environment.globals |= {
        "static": static,
        "share": share,
        "OUTCOMES": OUTCOMES,
        "Permission": Permission,
        "zone": period.zone_name,
        "RANGES": RANGES,
    }
    return environment


def _may_open(visit: Visit, path: str) -> bool:
    needed = NEEDED["GET", path]
    return needed is None or visit.may(needed)


def _indexing(request: Request) -> int:
    """Stored decisions that pages do not show yet, because the index is being made."""
    behind: int = request.app.state.dashboard.finder.behind
    return behind


def render_alone(template: str, values: Mapping[str, Any], status: int) -> HTMLResponse:
    """A page that shows nothing of who asks."""
    return HTMLResponse(_environment().get_template(template).render(theme="", **values), status)


def render(
    request: Request, template: str, values: Mapping[str, Any], status: int = 200, **headers: str
) -> HTMLResponse:
    """A page, or a part of one."""
    visit: Visit = request.scope["ringfence.visit"]
    theme = request.cookies.get("ringfence_theme", "")
    text = (
        _environment()
        .get_template(template)
        .render(
            visit=visit,
            csrf=visit.session.csrf,
            theme=theme if theme in ("light", "dark") else "",
            path=request.url.path,
            person=services_of(request, Surroundings).authoriser.person,
            navigation={path for path in request.app.state.navigation if _may_open(visit, path)},
            indexing=_indexing(request) if visit.caller else 0,
            period=period.current(),
            environment=services_of(request, Surroundings).settings.environment,
            **values,
        )
    )
    return HTMLResponse(text, status, {name.replace("_", "-"): value for name, value in headers.items()})
