"""The log: topics, offsets, who reads them and how far, and the messages themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.services import HealthServices, RecordServices
from ringfence.masking import mask_cards
from ringfence.web.parts import messages
from ringfence.web.parts.asking import beside, dashboard_of, is_part
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter(route_class=LazyRoute)
PATH: Final = "/streams"  # in the navigation
PAGE_MESSAGES: Final = 25


@router.get("/streams")
async def streams(request: Request) -> Response:
    """Topics and readers."""
    values = await beside(request, _overview, dashboard_of(request))
    return render(request, "streams.html", values)


def _overview(dashboard: Dashboard) -> dict[str, Any]:
    log = dashboard.store.log
    topics = []
    for name in log.topics():
        start, end = log.start_offset(name), log.end_offset(name)
        last = next(iter(log.read(name, end - 1)), None) if end > start else None
        topics.append(
            {
                "name": name,
                "start": start,
                "end": end,
                "last_time_ms": last.last_time_ms if last else None,
                "batch": last.count if last else 0,
            }
        )
    readers = [
        {"reader": who, "topic": topic, "offset": at, "lag": max(0, log.end_offset(topic) - at)}
        for who, topic, at in dashboard.of(HealthServices).following.readers()
    ]
    counts = dashboard.store.quarantine.counts()
    return {
        "topics": topics,
        "readers": readers,
        "bad": sum(total for total, _ in counts.values()),
        "waiting": sum(waiting for _, waiting in counts.values()),
        "folder": dashboard.store.folder.name,
        "brokers": [browser.name for browser in dashboard.browsers],
    }


Topic = Annotated[str, Path(max_length=100)]
Word = Annotated[str, Query(max_length=4096)]


@router.get("/streams/{topic}")
async def topic(
    request: Request,
    topic: Topic,
    offset: Annotated[str, Query(max_length=20)] = "",
    key: Word = "",
    match: Annotated[str, Query(max_length=200)] = "",
    since: Annotated[int, Query(ge=0, le=1 << 60)] = 0,
    seen: Annotated[str, Query(max_length=1000, pattern=r"^(\d{1,19}(,\d{1,19})*)?$")] = "",
    *,
    follow: bool = False,
) -> Response:
    """Messages of one topic: the last ones, those from an offset on, or the one of a transaction.

    With `match` those in which a text stands; with `follow` the last ones, again and again: from `since` on,
    and those that were `seen` before.
    """
    dashboard = _known(request, topic)
    text = mask_cards(match.strip(), strict=True)
    before = (since, [int(one) for one in seen.split(",") if one][:PAGE_MESSAGES])
    found = await beside(request, _found, dashboard, topic, offset, key.strip(), text, before)
    payments = await beside(request, messages.payments_of, dashboard.of(RecordServices), topic, found)
    shown = [
        (
            number,
            messages.brief(topic, m, payments.get(number)),
            msgspec.json.format(msgspec.json.encode(m), indent=2).decode(),
        )
        for number, m in (found.messages[::-1] if follow else found.messages)
    ]
    values = {
        "topic": topic,
        "found": found,
        "shown": shown,
        "key": key,
        "match": text,
        "follow": follow,
        "offset": offset,
        "step": PAGE_MESSAGES,
    }
    return render(request, "parts/topic.html" if is_part(request) else "topic.html", values)


def _found(
    dashboard: Dashboard,
    topic: str,
    offset: str,
    key: str,
    text: str,
    before: tuple[int, list[int]] = (0, []),
) -> messages.Messages:
    if text and not key and not offset:
        return messages.newest_matching(dashboard.of(RecordServices), topic, text, PAGE_MESSAGES, *before)
    found = messages.page(dashboard.of(RecordServices), topic, offset, key, PAGE_MESSAGES)
    if not text or key:
        return found
    return messages.matching(dashboard.of(RecordServices), topic, found, text, PAGE_MESSAGES)


@router.get("/streams/{topic}/export")
async def export(
    request: Request,
    topic: Topic,
    offset: Annotated[int, Query(ge=0, le=1 << 60)] = 0,
    match: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Records from an offset on as NDJSON, at most ten thousand; with `match` those that have the text."""
    dashboard, text = _known(request, topic), mask_cards(match.strip(), strict=True)
    found = await beside(request, _exported, dashboard.of(RecordServices), topic, offset, text)
    lines = [msgspec.json.encode(m | {"log_offset": n}, enc_hook=str) for n, m in found.messages]
    headers = {"content-disposition": f'attachment; filename="{topic}-{found.first}.ndjson"'}
    return Response(b"\n".join([*lines, b""]), media_type="application/x-ndjson", headers=headers)


def _exported(services: RecordServices, topic: str, offset: int, text: str) -> messages.Messages:
    most = messages.MOST_EXPORTED
    if not text:
        return messages.page(services, topic, str(offset), "", most)
    return messages.matching(services, topic, messages.page(services, topic, str(offset), "", 1), text, most)


def _known(request: Request, topic: str) -> Dashboard:
    dashboard = dashboard_of(request)
    if topic not in dashboard.store.log.topics():
        raise Stop(404, f"There is no topic {topic!r}.")
    return dashboard
