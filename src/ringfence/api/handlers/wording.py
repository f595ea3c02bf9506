"""What a malformed part of a request should have been: in words, where a library only names its pattern."""

from __future__ import annotations

from ast import literal_eval
from typing import TYPE_CHECKING, Any, Final

from ringfence.access import views
from ringfence.alerts.book import DIGEST_NAME
from ringfence.api.handlers.reading import CURSOR
from ringfence.features.spec import ENTITY_KEYS
from ringfence.rulebook.entries import NAME_LIMIT
from ringfence.rulebook.wire import LIST_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final = "|".join(ENTITY_KEYS)
_VERSION: Final = "a version of the rules, such as 3f2a91c04d5e, or active, or head"
_RULE: Final = "the id of a rule: letters, digits, _, . and -"
FORMS: Final[Mapping[str, str]] = {
    "^(medium|high|critical|all)$": "medium, high, critical or all",
    "^[Cc]-[0-9]{1,15}$": "the id of a case, such as C-17",
    "^([Cc]-[0-9]{1,15})?$": "the id of a case, such as C-17, or nothing",
    "^[Aa]-[0-9]{1,15}$": "the id of a request for approval, such as A-3",
    "^alert-[0-9]{1,18}$": "the id of an alert, such as alert-12",
    "^[0-9a-f]{8}$": "the id of a key, 8 hexadecimal digits: `ringfence keys list` shows them",
    "^[0-9a-f]{12}$": "the id of a session, 12 hexadecimal digits: `ringfence sessions list` shows them",
    "^[0-9a-f]{16}$": "the id of a backtest, 16 hexadecimal digits, as its start gave it",
    "^[0-9a-f]{64}$": "the SHA-256 of a file, 64 hexadecimal digits",
    "^pd_[0-9a-f]{32}$": "a token as answers have it: pd_ and 32 hexadecimal digits",
    "^[0-9a-z]{4,16}$": _VERSION,
    "^([0-9a-z]{4,16})?$": _VERSION,
    r"^[\w.-]{1,80}$": _RULE,
    r"^[\w-]{0,40}$": "letters, digits, - and _, at most 40",
    "^[a-z0-9_-]{1,40}$": "small letters, digits, - and _, at most 40, such as card_testing",
    "^[A-Za-z0-9._-]{1,249}$": "the name of a topic: letters, digits, _, . and -",
    "^[0-9A-Za-z]{1,64}$": "the cursor of the page before, unchanged",
    CURSOR: "the cursor of the page before, unchanged",
    "^(queue|field|entity|region)=[A-Za-z0-9_.-]{1,80}$": "a restriction such as queue=high_value",
    f"^({_KINDS})$": f"one of {', '.join(ENTITY_KEYS)}",
    f"^({_KINDS}):.+$": "a kind of entity and its id, such as customer:c-17",
    LIST_NAME: f"the name of a list: at most {NAME_LIMIT} characters, no space at its ends",
    r"^[^\x00-\x1f\x7f]{1,80}$": "a name of 1 to 80 characters, none of which is a control character",
    "^[A-Z]{0,3}$": "the three letters of a currency, such as EUR",
    "^[a-z]{1,20}$": "the name of a figure, such as kpis",
    "^[a-z]{0,20}$": "the name of a figure, such as kpis, or nothing",
    DIGEST_NAME: "the name of a digest, as its message has it",
    f"{DIGEST_NAME}|^$": "the name of a digest, as its message has it",
    "^(open|in_case|acknowledged|all)$": "open, in_case, acknowledged or all",
    "^(yes|no)$": "yes or no",
    r"^(\d{1,3}(\.\d*)?)?$": "a score from 0 to 100",
    r"^\d{0,6}$": "the number of a partition",
    r"^\d{0,18}$": "a number of at most 18 digits",
    "^[Vv]-[0-9]{1,15}$": "the id of a saved view, such as V-3",
    views.PATH: "the path of a page, percent-encoded, such as /cases",
    views.QUERY: "a query, percent-encoded, such as ?state=open",
    r"^(\d{1,19}(,\d{1,19})*)?$": "offsets, with commas between them",
}
"""By pattern. A test sees to it that none is missing."""

_REGEX: Final = "Expected `str` matching regex "
_OTHERWISE: Final = "a text of the form that /openapi.json describes"


def of_parameter(error: Mapping[str, Any]) -> str:
    """FastAPI's error of a parameter.

    >>> of_parameter({"type": "string_pattern_mismatch", "ctx": {"pattern": "^[Cc]-[0-9]{1,15}$"}})
    'give the id of a case, such as C-17'
    """
    if error["type"] == "string_pattern_mismatch":
        return f"give {FORMS.get(error['ctx']['pattern'], _OTHERWISE)}"
    return str(error["msg"])


def of_field(problem: str) -> str:
    """The error of a field of the body, as msgspec tells it.

    >>> of_field("Expected `str` matching regex '^pd_[0-9a-f]{32}$'")
    'give a token as answers have it: pd_ and 32 hexadecimal digits'
    >>> of_field("Expected `int`, got `str`")
    'Expected `int`, got `str`'
    """
    if not problem.startswith(_REGEX):
        return problem
    return f"give {FORMS.get(literal_eval(problem.removeprefix(_REGEX)), _OTHERWISE)}"
