"""An emulator's address that was left where payments are real."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ON_AWS: Final = (
    "ECS_CONTAINER_METADATA_URI_V4",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_EXECUTION_ENV",
)
"""One of these is set in tasks of ECS and Fargate, pods of EKS, and functions."""
_OF_A_ROLE: Final = ("iam-role", "container-role", "assume-role", "assume-role-with-web-identity")
_OF_AWS: Final = re.compile(r"https://[\w.-]+\.(amazonaws\.com(\.cn)?|api\.aws)/?", re.ASCII)


def is_on_aws() -> bool:
    """Whether the environment is that of a task on AWS."""
    return any(os.environ.get(name) for name in _ON_AWS)


def named_endpoint(service: str = "") -> str | None:
    """The variable of the environment that names an endpoint, as it does for an emulator.

    With `service`, as variables write it (S3), only one that leads this service there.
    AWS's own are none: those of a private network, with FIPS, or for both versions of IP.
    """
    wanted = ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{service}")
    for name, url in os.environ.items():
        counts = name in wanted if service else name.startswith("AWS_ENDPOINT_URL")
        if counts and url and not _OF_AWS.fullmatch(url):
            return name
    return None


def refuse_emulator() -> None:
    """`InputError` where the environment of a task on AWS names an endpoint."""
    named = named_endpoint()
    if named and is_on_aws():
        raise InputError(
            f"{named} names an endpoint of its own in a task on AWS, as for an emulator: remove it"
        )


def refuse_role_elsewhere(method: str, configured: Iterable[str] = ()) -> None:
    """`InputError` where credentials of a machine's role would sign for an endpoint that is not AWS's.

    Args:
        method: how the library has found the credentials.
        configured: endpoints that AWS's configuration file names.
    """
    named = named_endpoint()
    if named is None and not all(_OF_AWS.fullmatch(url) for url in configured):
        named = "endpoint_url in AWS's configuration file"
    if named and (method in _OF_A_ROLE or is_on_aws()):
        raise InputError(
            f"{named} names an endpoint of its own where the machine's role signs in, as for an emulator: "
            "remove it"
        )
