"""The only room that knows everything: puts store, specification, rules, pipeline and runner together."""

from ringfence.compose.definitions import (
    SHIPPED_BOOK,
    SHIPPED_CATALOG,
    Definitions,
    SystemClock,
    load_definitions,
    load_spec,
    warm_up,
)
from ringfence.compose.session import Session, open_session
from ringfence.compose.versions import (
    StoredLibrary,
    register,
    registered_mapping,
    registered_rules,
    registered_spec,
)

__all__ = [
    "SHIPPED_BOOK",
    "SHIPPED_CATALOG",
    "Definitions",
    "Session",
    "StoredLibrary",
    "SystemClock",
    "load_definitions",
    "load_spec",
    "open_session",
    "register",
    "registered_mapping",
    "registered_rules",
    "registered_spec",
    "warm_up",
]
