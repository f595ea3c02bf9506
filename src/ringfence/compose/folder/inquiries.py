"""Questions that read much of a log for one answer: asked here, or of processes beside the server.

A pattern that is tried on a day's events, and all that is held on somebody. On threads of the server both
would share the interpreter with payments, and leave gaps in its memory.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

import msgspec

from ringfence.bus.paging import PulledEvents, page_of_log
from ringfence.bus.pattern import wanted
from ringfence.compose.clock import late_after
from ringfence.compose.folder.privacy import person_search
from ringfence.compose.worker_process import (
    MOST_BYTES,
    RAN,
    Apart,
    ApartWords,
    StarvedError,
    TooLateError,
    cpu_seconds,
)
from ringfence.desks import bus
from ringfence.desks.bus import Appraisal  # noqa: TC001 (msgspec reads the annotations)
from ringfence.desks.person_search import PersonFile, PersonTokens  # noqa: TC001 (likewise)
from ringfence.errors import CorruptError, InputError, RingfenceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ringfence.desks.person_search import PersonSearch
    from ringfence.store import DataFolder

T = TypeVar("T")

PATTERN_SECONDS: Final = 15.0
"""How long a pattern may be tried."""

PERSON_SECONDS: Final = 60.0
"""How long the log is read for one person's data."""

START_SECONDS: Final = 20.0
"""How long a process may take to start."""

GRACE_SECONDS: Final = 5.0
"""For a search to see by itself that it is late."""

_LOOKED_SECONDS: Final = 10.0  # for which events are looked at, the newest first
_MOST_ANSWER: Final = 60 << 20  # bytes
_TOO_LONG: Final = (
    f"the log was not read within {PERSON_SECONDS:g} s, and nothing was changed: use `ringfence privacy` "
    "where the store is, which takes the time it needs"
)
_BUSY: Final = (
    f"the log was not read within {PERSON_SECONDS:g} s, as this machine is busy, and nothing was changed: "
    "try again later, or use `ringfence privacy` where the store is"
)


class Inquiries(Protocol):
    """Answers such questions; `TooLateError` where that takes too long, `StarvedError` on a busy machine."""

    def appraise(self, pattern: str) -> Appraisal:
        """What a pattern would have matched lately."""
        ...

    def page(self, topic: str, after: int, limit: int, pattern: str) -> PulledEvents:
        """Events of a topic of the log that a pattern wants, from a place on."""
        ...

    def who(self, asked: str, seconds: float) -> PersonTokens:
        """Somebody by the tokens that stand for what names them."""
        ...

    def find(self, asked: str, most: int, seconds: float) -> PersonFile:
        """All that is held on somebody, with so many events and decisions at most."""
        ...


class InquiriesHere:
    """`Inquiries` by the thread that asks."""

    def __init__(self, store: DataFolder) -> None:
        """The store, which another process may write to."""
        self._store = store

    def appraise(self, pattern: str) -> Appraisal:
        """See `Inquiries.appraise`."""
        return bus.appraise(self._store.log, pattern, self._source, late_after(_LOOKED_SECONDS))

    def page(self, topic: str, after: int, limit: int, pattern: str) -> PulledEvents:
        """See `Inquiries.page`."""
        is_late = late_after(_LOOKED_SECONDS)
        return page_of_log(self._store.log, self._source, topic, after, limit, wanted(pattern), is_late)

    def who(self, asked: str, seconds: float) -> PersonTokens:
        """See `Inquiries.who`."""
        with self._search(seconds) as search:
            return search.who(asked)

    def find(self, asked: str, most: int, seconds: float) -> PersonFile:
        """See `Inquiries.find`."""
        with self._search(seconds, most) as search:
            return search.find(asked)

    @property
    def _source(self) -> str:
        return f"/ringfence/{self._store.meta.store_id}"

    @contextmanager
    def _search(self, seconds: float, most: int | None = None) -> Iterator[PersonSearch]:
        is_late, begun = late_after(seconds), cpu_seconds(os.getpid())

        def check() -> None:
            if is_late():
                has_run = cpu_seconds(os.getpid()) >= begun + seconds * RAN
                raise TooLateError(_TOO_LONG) if has_run else StarvedError(_BUSY)

        check()
        with person_search(self._store, check=check, most=most) as search:
            yield search


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is asked: `errand` names a function of `Inquiries`, the rest is what it is given."""

    errand: Literal["appraise", "page", "who", "find"]
    asked: str
    topic: str = ""
    after: int = 0
    most: int = 0
    seconds: float = PERSON_SECONDS


class InquiryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What it says: one of these. `error` is the class of what was raised."""

    appraisal: Appraisal | None = None
    page: PulledEvents | None = None
    tokens: PersonTokens | None = None
    file: PersonFile | None = None
    error: str | None = None
    problem: str = ""


_KINDS: Final = (StarvedError, TooLateError, InputError, CorruptError, StoreError)  # the nearest first
_ERRORS: Final = {one.__name__: one for one in _KINDS}


class InquiriesBeside:
    """`Inquiries` by two processes of low priority, so that patterns do not wait for searches."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the store."""
        room = f"{MOST_BYTES / (1 << 30):g} GiB of memory"
        stopped = "the server stops: ask again once it runs"
        self._patterns = _process(
            folder,
            PATTERN_SECONDS,
            ApartWords(
                "the process that tries patterns",
                f"this pattern was not tried within {PATTERN_SECONDS:g} s: give it fewer tests",
                f"trying this pattern needs more than {room}: give it fewer tests",
                stopped,
                f"the pattern was not tried within {PATTERN_SECONDS:g} s, as this machine is busy: try again "
                "later",
            ),
        )
        self._persons = _process(
            folder,
            PERSON_SECONDS + GRACE_SECONDS,
            ApartWords(
                "the process that looks for personal data",
                _TOO_LONG,
                f"what is held on them needs more than {room}: use `ringfence privacy` where the store is",
                stopped,
                _BUSY,
            ),
        )

    def appraise(self, pattern: str) -> Appraisal:
        """See `Inquiries.appraise`."""
        return _given(_ask(self._patterns, Inquiry(errand="appraise", asked=pattern)).appraisal)

    def page(self, topic: str, after: int, limit: int, pattern: str) -> PulledEvents:
        """See `Inquiries.page`."""
        asked = Inquiry(errand="page", asked=pattern, topic=topic, after=after, most=limit)
        return _given(_ask(self._patterns, asked).page)

    def who(self, asked: str, seconds: float) -> PersonTokens:
        """See `Inquiries.who`."""
        return _given(_ask(self._persons, Inquiry(errand="who", asked=asked, seconds=seconds)).tokens)

    def find(self, asked: str, most: int, seconds: float) -> PersonFile:
        """See `Inquiries.find`."""
        inquiry = Inquiry(errand="find", asked=asked, most=most, seconds=seconds)
        return _given(_ask(self._persons, inquiry).file)

    def close(self) -> None:
        """Nothing is asked any more. A question under way is given up."""
        self._patterns.close()
        self._persons.close()


def _process(folder: Path, seconds: float, wording: ApartWords) -> Apart:
    module = "ringfence.compose.folder.inquiring_apart"
    return Apart(module, (str(folder.absolute()), str(seconds)), wording, seconds)


def _ask(apart: Apart, inquiry: Inquiry) -> InquiryAnswer:
    def decode(said: bytes) -> InquiryAnswer:
        return msgspec.msgpack.decode(said, type=InquiryAnswer)

    if inquiry.seconds <= 0:
        raise TooLateError(_TOO_LONG)
    answer = apart.ask(msgspec.msgpack.encode(inquiry), decode, start_seconds=START_SECONDS)
    if answer.error is not None:
        raise _ERRORS[answer.error](answer.problem)
    return answer


def answered(message: bytes, here: InquiriesHere) -> bytes:
    """What `here` says to an encoded `Inquiry`."""
    asked = msgspec.msgpack.decode(message, type=Inquiry)
    try:
        said = msgspec.msgpack.encode(_answered(asked, here))
    except RingfenceError as error:
        kind = next((name for name, one in _ERRORS.items() if isinstance(error, one)), StoreError.__name__)
        return msgspec.msgpack.encode(InquiryAnswer(error=kind, problem=str(error)))
    except Exception as error:  # noqa: BLE001 (its words may have personal data: they go to no log)
        problem = (
            f"the log cannot be read for that ({type(error).__name__}): `ringfence doctor` looks at the store"
        )
        return msgspec.msgpack.encode(InquiryAnswer(error=StoreError.__name__, problem=problem))
    if len(said) <= _MOST_ANSWER:
        return said
    remedy = (
        "ask for fewer events at once"
        if asked.errand == "page"
        else "give it fewer tests"
        if asked.errand == "appraise"
        else "use `ringfence privacy` where the store is"
    )
    problem = f"the answer has {len(said) / 1e6:,.0f} MB: {remedy}"
    return msgspec.msgpack.encode(InquiryAnswer(error=InputError.__name__, problem=problem))


def _answered(asked: Inquiry, here: InquiriesHere) -> InquiryAnswer:
    if asked.errand == "appraise":
        return InquiryAnswer(appraisal=here.appraise(asked.asked))
    if asked.errand == "page":
        return InquiryAnswer(page=here.page(asked.topic, asked.after, asked.most, asked.asked))
    if asked.errand == "who":
        return InquiryAnswer(tokens=here.who(asked.asked, asked.seconds))
    return InquiryAnswer(file=here.find(asked.asked, asked.most, asked.seconds))


def _given(found: T | None) -> T:
    assert found is not None
    return found
