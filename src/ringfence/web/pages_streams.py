"""The log: topics, offsets, who reads them and how far, and the messages themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.access.principal import Role
from ringfence.web import messages
from ringfence.web.asking import dashboard_of, demand
from ringfence.web.pages_errors import Stop
from ringfence.web.rendering import render

if TYPE_CHECKING:
    from ringfence.web.dashboard import Dashboard

router = APIRouter()
PATH: Final = "/streams"  # in the navigation
PAGE_MESSAGES: Final = 25


@router.get("/streams")
async def streams(request: Request) -> Response:
    """Topics and readers."""
    demand(request, Role.ANALYST)
    values = await asyncio.to_thread(_overview, dashboard_of(request))
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
        for who, topic, at in dashboard.server.following.readers()
    ]
    counts = dashboard.store.quarantine.counts()
    return {
        "topics": topics,
        "readers": readers,
        "bad": sum(total for total, _ in counts.values()),
        "waiting": sum(waiting for _, waiting in counts.values()),
        "folder": dashboard.store.folder.name,
    }


@router.get("/streams/{topic}")
async def topic(
    request: Request,
    topic: Annotated[str, Path(max_length=100)],
    offset: Annotated[str, Query(max_length=20)] = "",
    key: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Messages of one topic: the last ones, those from an offset on, or the one of a transaction."""
    demand(request, Role.ANALYST)
    dashboard = dashboard_of(request)
    if topic not in dashboard.store.log.topics():
        raise Stop(404, f"There is no topic {topic!r}.")
    found = await asyncio.to_thread(
        messages.page, dashboard.server, topic, offset, key.strip(), PAGE_MESSAGES
    )
    shown = [
        (number, msgspec.json.format(msgspec.json.encode(m), indent=2).decode(), m)
        for number, m in found.messages
    ]
    values = {"topic": topic, "found": found, "shown": shown, "key": key, "step": PAGE_MESSAGES}
    return render(request, "topic.html", values)
