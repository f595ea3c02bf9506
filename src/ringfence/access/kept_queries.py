"""Personal data in the query of an address: a token takes its place, however the query names it.

Addresses of requests and of saved views are read by the same functions, so that what one of them keeps in
clear the other does not either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from ringfence.access.kept_statements import kept_statement
from ringfence.errors import InputError
from ringfence.events.privacy.personal import TOKEN
from ringfence.events.values.norms import norm
from ringfence.features.kinds import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.privacy.personal import PersonalData

Pair = tuple[str, str]

_TYPES: Final = ("entity", "entity_type")
_PAIR: Final = re.compile(rf"({'|'.join(ENTITY_KEYS)}):([\s\S]+)")
_CASE: Final = re.compile(r"[Cc]-[0-9]{0,15}")
_KEPT: Final = re.compile(r"(?:pd|tok)_[0-9a-f]*")  # or the beginning of a token


def kept_id(personal: PersonalData, kind: str, identity: str) -> str:
    """The id of an entity as the log has it; `kind` is one of `ENTITY_KEYS`."""
    field = ENTITY_KEYS[kind]
    return personal.as_kept(field, norm(field, identity))


def kept_entities(personal: PersonalData, pairs: Sequence[Pair]) -> list[Pair]:
    """A query with tokens for ids of entities: `entity=TYPE:ID`, and `entity_id` with its type.

    Where types and ids repeat, the last belong together, as pages read them; an id without a type of its own
    has the first.
    """
    kinds = [value for name, value in pairs if name in _TYPES and value in ENTITY_KEYS]
    ids = sum(name == "entity_id" for name, _ in pairs)
    of_ids = iter([kinds[0]] * (ids - len(kinds)) + kinds[max(0, len(kinds) - ids) :] if kinds else ())
    kept = []
    for name, value in pairs:
        found = _PAIR.fullmatch(value) if name == "entity" else None
        kind = next(of_ids, "") if name == "entity_id" else ""
        if found is not None:
            text = f"{found[1]}:{kept_id(personal, found[1], found[2])}"
        else:
            text = kept_id(personal, kind, value) if kind and value else value
        kept.append((name, text))
    return kept


def kept_query(personal: PersonalData, query: str) -> str:
    """The query of an address that is kept, the same text where it names nobody.

    `InputError` where it may name a person and nobody can say which token stands for it.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    typed = any(name in _TYPES and value in ENTITY_KEYS for name, value in pairs)
    if not typed and any(name == "entity_id" and _is_plain(value) for name, value in pairs):
        raise InputError(
            "the address of a view has an id without its type, which may be personal: add entity=customer"
        )
    kept = [
        (personal.guard_text(name), _value(personal, name, value))
        for name, value in kept_entities(personal, pairs)
    ]
    return query if kept == pairs else urlencode(kept)


def _value(personal: PersonalData, name: str, value: str) -> str:
    if name == "statement":
        return kept_statement(personal, value)
    value = personal.guard_text(value)
    if name == "q" and _is_plain(value.strip()):
        raise InputError(
            "the text that this view searches for may name a person: search for a case's id, or for the "
            "token of a customer, which the customer's page shows"
        )
    return value


def _is_plain(value: str) -> bool:
    return bool(value) and not (TOKEN.fullmatch(value) or _CASE.fullmatch(value) or _KEPT.fullmatch(value))
