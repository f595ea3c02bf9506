"""Whether the parts on AWS can be put together here."""

from __future__ import annotations

from importlib.util import find_spec

from ringfence.errors import InputError


def needs_aws(what: str) -> None:
    """`InputError` where the client library of AWS, which `what` needs, is not installed."""
    if find_spec("boto3") is None:
        raise InputError(f"{what} needs one more library: pip install 'ringfence[aws]'")
