"""Clients of boto3 with bounded waits, and AWS's errors as ours, with their remedies."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_CONTAINER: Final = "ECS_CONTAINER_METADATA_URI_V4"
_REMEDIES: Final = {
    "ResourceNotFoundException": "look at its name and region, or make it",
    "AccessDeniedException": "allow the action to the role that runs this",
    "AccessDenied": "allow the action to the role that runs this",
    "UnrecognizedClientException": "the credentials are not valid in this region",
    "InvalidSignatureException": "the credentials are not valid, or the clock is wrong",
    "ExpiredTokenException": "sign in again",
    "ValidationException": "AWS does not take this; a table's keys are account_id and transaction_id",
}


def aws_client(service: str, endpoint: str | None = None, *, tries: int = 3) -> Any:
    """A client of a service, with the region and credentials of AWS's own environment and files.

    `endpoint` is the address of a cluster, for services that have one each. A call is tried so often.

    `InputError` where no region is set, or where an emulator's endpoint is left in a task on AWS.
    """
    named = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]
    if named and _IN_CONTAINER in os.environ:
        raise InputError(
            f"{named[0]} names an endpoint of its own in a task on AWS: remove it, or it is tested only"
        )
    config = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "max_attempts": tries},
        tcp_keepalive=True,
    )
    try:
        session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))  # which tasks on AWS have
        return session.client(service, config=config, endpoint_url=endpoint)
    except NoRegionError as error:
        raise InputError("no region is set: set AWS_REGION, such as eu-central-1") from error
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS cannot be asked: {error}") from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """AWS's errors as `StoreError`, with the action, the resource and a remedy."""
    try:
        yield
    except NoCredentialsError as error:
        raise StoreError(
            f"{what}: AWS finds no credentials. Give the task a role, or sign in (aws sso login)"
        ) from error
    except ClientError as error:
        told = error.response.get("Error", {})
        code, message = told.get("Code", "error"), told.get("Message", "")
        remedy = _REMEDIES.get(code, "try again")
        raise StoreError(f"{what}: {error.operation_name} fails with {code} ({message}): {remedy}") from error
    except BotoCoreError as error:
        raise StoreError(f"{what}: AWS does not answer ({error})") from error
