"""Topics of Kafka: brokers, groups and their lag, configuration, and the messages themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ringfence.access.roles import Permission, holders
from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.errors import InputError, StoreError
from ringfence.masking import mask_cards
from ringfence.ports.topics import MessageQuery, MessagesFound
from ringfence.web.parts.asking import beside, dashboard_of, is_part, visit_of
from ringfence.web.parts.errors import Stop
from ringfence.web.parts.period import moment_ms
from ringfence.web.parts.rendering import render

if TYPE_CHECKING:
    from ringfence.ports.topics import TopicBrowser

router = APIRouter(route_class=LazyRoute)
PAGE_MESSAGES: Final = 25
_MOST: Final = 1 << 60
_HOLDERS: Final = holders(Permission.OPERATE)
_NAME: Final = r"^[A-Za-z0-9._-]{1,249}$"
Cluster = Annotated[int, Path(ge=0, le=99)]
Word = Annotated[str, Query(max_length=200)]


@router.get("/streams/kafka/{cluster}")
async def brokers(request: Request, cluster: Cluster) -> Response:
    """Brokers, topics and groups of one cluster, as a part of the page of streams."""
    browser = _browser(request, cluster)
    values: dict[str, Any] = {"name": browser.name, "number": cluster, "seen": None, "problem": ""}
    try:
        values["seen"] = await beside(request, browser.cluster)
    except (StoreError, InputError) as error:
        values["problem"] = str(error)
    values["open"] = None if _sees_everything(request) else browser.topics
    return render(request, "parts/cluster.html", values)


@router.get("/streams/kafka/{cluster}/{topic}")
async def messages(
    request: Request,
    cluster: Cluster,
    topic: Annotated[str, Path(pattern=_NAME)],
    partition: Annotated[str, Query(pattern=r"^\d{0,6}$")] = "",
    offset: Annotated[str, Query(pattern=r"^\d{0,18}$")] = "",
    since: Annotated[str, Query(max_length=40)] = "",
    key: Word = "",
    match: Word = "",
    *,
    follow: bool = False,
) -> Response:
    """Messages of a topic: the newest, those from an offset or a time on, or those with a key or a text.

    With `follow` the newest, again and again. A topic that no setting names is for admins: other systems'
    messages are there.
    """
    browser = _browser(request, cluster)
    if topic not in browser.topics and not _sees_everything(request):
        raise Stop(
            403, f"Ringfence's settings do not name the topic {topic!r}: it needs the role {_HOLDERS}."
        )
    values: dict[str, Any] = {
        "cluster": cluster,
        "topic": topic,
        "brokers": browser.name,
        "follow": follow,
        "problem": "",
        "partition": partition,
        "offset": offset,
        "since": since,
        "details": None,
        "key": mask_cards(key.strip(), strict=True),
        "match": mask_cards(match.strip(), strict=True),
        "found": MessagesFound([], 0, is_cut=False),
    }
    try:
        wanted = MessageQuery(
            int(partition) if partition else None,
            int(offset) if offset and not follow else None,
            _moment(since) if since and not follow else None,
            key.strip(),
            match.strip(),
            PAGE_MESSAGES,
            follow,
        )
        values["found"] = await beside(request, browser.messages, topic, wanted)
        if not is_part(request):
            values["details"] = await beside(request, browser.details, topic)
    except (StoreError, InputError) as error:
        values["problem"] = str(error)
    values["shown"] = values["found"].messages[::-1] if follow else values["found"].messages
    page = "parts/kafka_messages.html" if is_part(request) else "kafka_topic.html"
    return render(request, page, values)


def _moment(text: str) -> int:
    try:
        return moment_ms(text)
    except ValueError:
        raise InputError("a time is written as 2026-01-31T12:00, in UTC unless it names a zone") from None


def _browser(request: Request, cluster: int) -> TopicBrowser:
    browsers = dashboard_of(request).browsers
    if cluster >= len(browsers):
        raise Stop(404, "The settings name no such brokers.")
    return browsers[cluster]


def _sees_everything(request: Request) -> bool:
    return visit_of(request).may(Permission.OPERATE)
