"""What the command palette asks: whatever begins with what somebody types."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from ringfence.analysis import list_history as lists_of
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import CaseServices, ModelServices, RecordServices, Surroundings
from ringfence.cases.book import CaseQuery
from ringfence.cases.errors import UnknownCaseError
from ringfence.cases.model import CaseState
from ringfence.errors import StoreError
from ringfence.masking import names_card
from ringfence.web.pages.payments.decisions import place_of
from ringfence.web.parts.asking import beside, dashboard_of

if TYPE_CHECKING:
    from ringfence.cases.book import CaseBook
    from ringfence.cases.model import Case
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
_EACH: Final = 5
_FEW: Final = 3
_NUMBER: Final = re.compile(r"[Cc]-[1-9][0-9]{0,13}")
_PLAIN: Final = re.compile(r"[\w.:-]{3,80}")
_IDS: Final = {
    "payment": "transaction_id",
    "customer": "customer_id",
    "card": "card_id",
    "merchant": "merchant_id",
    "device": "device_id",
}


class Hit(msgspec.Struct, frozen=True):
    """Something to go to."""

    label: str
    kind: str
    href: str


@router.post("/find")
async def find(request: Request, q: Annotated[str, Form(max_length=400)] = "") -> Response:
    """Cases, rules, models, lists and ids. Posted, so that a card number is in no address."""
    found = await beside(request, _hits, dashboard_of(request), q.strip())
    return Response(msgspec.json.encode(found), media_type="application/json")


def _cases(dashboard: Dashboard, text: str, now_ms: int) -> list[Hit]:
    """Cases of this number, or about an id that begins so; where their file is lost, a word of that."""
    query = CaseQuery(states=tuple(CaseState), text=text, order="changed", limit=_EACH)
    book = dashboard.of(CaseServices).case_book
    try:
        cases = book.cases(query, now_ms)
        cases += _numbered(book, text, _EACH - len(cases)) if _NUMBER.fullmatch(text) else []
    except StoreError:
        return [Hit("cases were not searched: their file cannot be read", "problem", "/cases")]
    return [
        Hit(
            f"{case.id} {', '.join(one.entity_id for one in case.subjects)}",
            f"{case.state} case",
            f"/cases/{case.id}",
        )
        for case in cases
    ]


def _numbered(book: CaseBook, text: str, most: int) -> list[Case]:
    """Cases whose number has one digit more, the first of them."""
    found: list[Case] = []
    for digit in range(10):
        with suppress(UnknownCaseError):
            if len(found) < most:
                found.append(book.case(f"{text.upper()}{digit}"))
    return found


def _beginning(dashboard: Dashboard, text: str) -> list[Hit]:
    """Payments and entities whose ids begin so, a few of each."""
    if not _PLAIN.fullmatch(text):
        return []
    return [
        Hit(
            one,
            kind,
            f"/decisions/{quote(one, safe='')}"
            if kind == "payment"
            else f"/entities/{kind}/{quote(one, safe='')}",
        )
        for kind, column in _IDS.items()
        for one in dashboard.finder.beginning(column, text, _FEW)
    ]


def _resembles(word: str, name: str) -> bool:
    """Whether the letters of a word stand in a name in their order, some perhaps left out between.

    >>> _resembles("crdtst", "card_testing"), _resembles("tsetcard", "card_testing")
    (True, False)
    """
    letters = iter(name.lower())
    return all(letter in letters for letter in word)


def _hits(dashboard: Dashboard, text: str) -> list[Hit]:
    if not text:
        return []
    word, now_ms = text.lower(), dashboard.of(RecordServices).clock.now_ms()
    if names_card(text):
        token = dashboard.of(Surroundings).tokenizer.as_kept("card_id", text)
        return [Hit("the card with this number", "card", f"/entities/card/{quote(token, safe='')}")]
    found = _cases(dashboard, text, now_ms)
    place = place_of(dashboard, text)
    if place is not None:
        found.append(Hit(text, place.split("/")[1].removesuffix("s"), place))
    else:  # nothing has this very id
        found += _beginning(dashboard, text)
    rules = dashboard.of(RecordServices).pipeline.rules.ruleset.every_rule
    named = [rule for rule in rules if _resembles(word, rule.id) or word in rule.title.lower()]
    named.sort(key=lambda rule: (not rule.id.lower().startswith(word), word not in rule.id.lower()))
    found += [Hit(rule.id, "rule", f"/rule/{quote(rule.id)}") for rule in named[:_EACH]]
    digests = [
        one for one in dashboard.of(ModelServices).models.stored.registry.digests() if one.startswith(word)
    ]
    found += [Hit(one, "model", f"/models/{one}") for one in digests[:_EACH]]
    lists = [
        one.name
        for one in lists_of.lists(dashboard.of(RecordServices).annotations, now_ms)
        if word in one.name.lower()
    ]
    found += [Hit(one, "list", f"/lists/{quote(one, safe='')}") for one in lists[:_EACH]]
    return found
