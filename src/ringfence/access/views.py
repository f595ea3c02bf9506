"""Saved views of pages, for oneself or for all: filters and order of a list, a statement of the SQL page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from ringfence.access.kept_queries import kept_query
from ringfence.access.kept_statements import person_named, unnamed_id
from ringfence.access.roles import Permission, holders
from ringfence.access.table import NEEDED
from ringfence.errors import InputError
from ringfence.events.privacy.personal import id_field
from ringfence.masking import mask_cards, names_card

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.access.principal import Principal
    from ringfence.events.privacy.tokens import Tokenizer

MOST_OWN: Final = 200
"""Views of one person on all pages."""

MOST_SHARED: Final = 500
"""Views on all pages that somebody shares."""

PATH: Final = r"^/([A-Za-z0-9_.:~@+=,%!$&'()*;-][A-Za-z0-9_.:~@+=,%!$&'()*;/-]*)?$"
"""A page's path as addresses have it, with percent signs: two slashes in front would name another host."""

QUERY: Final = r"^[^#\s]*$"

_ENTITY: Final = re.compile("/(?:entities|graph|places)/([^/]+)/(.+)")  # pages of one, by type and id

LONGEST_PATH: Final = 1000
"""Characters of a path; an entity's id in it may be an e-mail address, percent-encoded."""

LONGEST_QUERY: Final = 16_000
"""Characters of a query, percent-encoded: the page for SQL has its statement there."""

_Title = Annotated[str, msgspec.Meta(max_length=200)]
_Titles = Annotated[list[_Title], msgspec.Meta(max_length=100)]
_Width = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
_Widths = Annotated[dict[_Title, _Width], msgspec.Meta(max_length=100)]


class TableLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a table looks. Columns go by their headings; `sort` is one of them, and whether it ascends."""

    hidden: _Titles = []
    dense: bool = False
    sort: tuple[_Title, bool] | None = None
    widths: _Widths = {}


class NewView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A view to be kept: the page's path, its query with the filters, and the look of its table.

    A question mark before the query may be left out. A saved query of the page `/sql` has its
    statement there, percent-encoded: `statement=SELECT%201`.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S")]
    path: Annotated[str, msgspec.Meta(max_length=LONGEST_PATH, pattern=PATH)]
    query: Annotated[str, msgspec.Meta(max_length=LONGEST_QUERY, pattern=QUERY)] = ""
    layout: TableLook = TableLook()
    shared: bool = False


class SavedView(NewView, frozen=True, kw_only=True):
    """A view that is kept: its id, such as V-3, whose it is (an id, a name), and when it was saved."""

    id: str
    by: str
    by_name: str = ""
    saved_ms: int


class ViewList(msgspec.Struct, frozen=True):
    """One's own views and those that others share, by page and name; whether one may share."""

    views: list[SavedView]
    may_share: bool


class Views(Protocol):
    """Where views are kept. Any thread may ask."""

    def of(self, owner: str, path: str | None, *, with_shared: bool) -> list[SavedView]:
        """Views of a page, or of all, by page and name: the owner's and, where wanted, what others share."""
        ...

    def save(self, view: NewView, owner: str, now_ms: int) -> SavedView:
        """Keep a view in place of the owner's of this name on the page.

        `InputError` where there are `MOST_OWN` or `MOST_SHARED` others.
        """
        ...

    def remove(self, view_id: str, owner: str, *, with_shared: bool) -> SavedView | None:
        """Remove the view with this id if it is the owner's or, where wanted, shared; None of any other.

        No later view gets its id.
        """
        ...


@dataclass(frozen=True, slots=True)
class ViewDesk:
    """What people do with views, the same on pages and in the API.

    Attributes:
        person: names the owner of a view.
        tokenizer: makes tokens of personal data, which others see and no erasure would find.
    """

    views: Views
    tokenizer: Tokenizer
    person: Callable[[str], str]

    def of(self, who: Principal, path: str | None) -> ViewList:
        """Views that somebody sees on a page, or on all; of pages that they may not open only their own."""
        found = self.views.of(who.name, path, with_shared=not who.restriction)
        seen = [one for one in found if one.by == who.name or _may_open(who, one.path)]
        return ViewList([self._named(one) for one in seen], _may_share(who))

    def save(self, view: NewView, who: Principal, now_ms: int) -> SavedView:
        """Keep a view under its name, with card numbers in texts masked, and tokens for personal data.

        `InputError` where it is to be shared and the caller may not or its statement names a person, where
        its address names a card or a person, and for invisible characters.
        """
        if view.shared and not _may_share(who):
            raise InputError(
                f"sharing a view needs the role {holders(Permission.WORK)}: save it for yourself"
            )
        if names_card(unquote(view.path), view.query):
            raise InputError("the address of a view names a card by its number: use its token (card_id)")
        self._check_texts(view)
        cleaned = self._cleaned(view)
        if cleaned.shared:
            _check_shared(cleaned, is_private=self.tokenizer.personal is not None)
        return self._named(self.views.save(cleaned, who.name, now_ms))

    def remove(self, view_id: str, who: Principal) -> SavedView | None:
        """Remove one's own view or, who may approve, one that is shared; None of any other."""
        removed = self.views.remove(view_id, who.name, with_shared=_may_tidy(who))
        return removed and self._named(removed)

    def _named(self, view: SavedView) -> SavedView:
        return msgspec.structs.replace(view, by_name=self.person(view.by))

    def _check_texts(self, view: NewView) -> None:
        if not view.name.strip().isprintable() or not (view.path + view.query).isprintable():
            raise InputError("a view may not have invisible characters in its name or address")
        path = unquote(view.path)
        page = _ENTITY.fullmatch(path)
        kept = self._kept(page[1], page[2]) if page else path
        if kept != (page[2] if page else path) or self._private(path) != path:
            raise InputError(
                "the address of a view names a person: open the page from the search box, which makes a "
                "token of what is personal"
            )

    def _cleaned(self, view: NewView) -> NewView:
        look, text = view.layout, self._cleaned_text
        layout = msgspec.structs.replace(
            look,
            hidden=[text(title) for title in look.hidden],
            sort=look.sort and (text(look.sort[0]), look.sort[1]),
            widths={text(title): width for title, width in look.widths.items()},
        )
        query = self._query(view.query.removeprefix("?"))
        query = query and f"?{query}"
        return msgspec.structs.replace(view, name=text(view.name.strip()), query=query, layout=layout)

    def _cleaned_text(self, text: str) -> str:
        return self.tokenizer.clean(mask_cards(text))

    def _private(self, text: str) -> str:
        personal = self.tokenizer.personal
        return text if personal is None else personal.guard_text(text)

    def _query(self, query: str) -> str:
        """A query as it is, unless it names a person."""
        return query if self.tokenizer.personal is None else kept_query(self.tokenizer.personal, query)

    def _kept(self, entity_type: str, entity_id: str) -> str:
        """A token for an id that is personal."""
        field, personal = id_field(entity_type), self.tokenizer.personal
        if personal is None or personal.class_of(field) is None:
            return self._private(entity_id)
        return self.tokenizer.as_kept(field, entity_id)


def _check_shared(view: NewView, *, is_private: bool) -> None:
    """`InputError` where a statement that all may read names a person by what has a form of its own.

    Where personal data becomes tokens, also where an id stands beside no column that says whose it is.
    """
    for name, statement in parse_qsl(view.query.removeprefix("?")):
        found = person_named(statement) if name == "statement" else ""
        if found:
            raise InputError(
                f"the statement has {found}, which everybody would read: take it out, or write the id as the "
                "tables have it, such as customer_id, or save the query for yourself"
            )
        if is_private and name == "statement" and (text := unnamed_id(statement)):
            raise InputError(
                f"the statement has {text!r}, which may name a person, beside no column of the tables, so no "
                "token can stand for it: compare a column with it, such as customer_id = '…', or save the "
                "query for yourself"
            )


def _may_open(who: Principal, path: str) -> bool:
    """Whether a view's page is one that this role may open; nobody may what is no page by its address."""
    if ("GET", path) in NEEDED:
        asked = [NEEDED["GET", path]]
    else:
        asked = [needed for pattern, needed in _PAGES if pattern.fullmatch(path)]
    return bool(asked) and all(needed is None or who.may(needed) for needed in asked)


_PAGES: Final = tuple(
    (re.compile("[^/?#]+".join(map(re.escape, re.split(r"\{[^}]*\}", route)))), needed)
    for (method, route), needed in NEEDED.items()
    if method == "GET" and "{" in route and not route.startswith("/v1/")
)
"""Addresses of pages that name something, such as a topic, and what they ask for."""


def _may_tidy(who: Principal) -> bool:
    return who.may(Permission.APPROVE) and not who.restriction


def _may_share(who: Principal) -> bool:
    return who.may(Permission.WORK) and not who.restriction


def number_of(view_id: str) -> int:
    """The number in an id; 0, which no view has, where it is none.

    >>> number_of("V-12"), number_of("x")
    (12, 0)
    """
    digits = view_id.strip().upper().removeprefix("V-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else 0
