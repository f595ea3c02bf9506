"""What addresses of AWS's services have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ringfence.errors import InputError

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def parts_of(text: str, service: str, form: str) -> SplitResult:
    """An address in parts; `InputError` where it is none or holds credentials, which it does not repeat."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise InputError(f"this is no address of {service}: {form}") from None
    if "@" in parts.netloc:
        raise InputError(
            "an address holds no credentials, because every user of this machine can read a command "
            "line: give the task a role, or sign in (aws sso login)"
        )
    return parts
