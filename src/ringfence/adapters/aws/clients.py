"""Clients of boto3 with bounded waits, and AWS's errors as ours, with their remedies."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session

from ringfence.adapters.emulator_address import refuse_emulator
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 10.0
"""For each part of an answer. The library's own is a minute."""

_LOADER: Final = create_loader()  # keeps the descriptions of services, which take long to read
_REMEDIES: Final = {
    "ResourceNotFoundException": "look at its name and region, or make it",
    "AccessDeniedException": "allow the action to the role that runs this",
    "AuthorizationError": "allow the action to the role that runs this",
    "AccessDenied": "allow the action to the role that runs this",
    "UnrecognizedClientException": "the credentials are not valid in this region",
    "InvalidSignatureException": "the credentials are not valid, or the clock is wrong",
    "ExpiredTokenException": "sign in again",
    "NotFound": "look at its name and region, or make it",
    "NotFoundException": "look at its name and region, or make it",
    "AWS.SimpleQueueService.NonExistentQueue": "look at its name and region, or make it",
    "QueueDoesNotExist": "look at its name and region, or make it",
    "ValidationException": "AWS does not take this; a table's keys are account_id and transaction_id",
}


def aws_client(
    service: str,
    endpoint: str | None = None,
    *,
    tries: int = 3,
    region: str | None = None,
    seconds: float = SECONDS,
) -> Any:
    """A client of a service, with the region and credentials of AWS's own environment and files.

    Args:
        service: AWS's name of it.
        endpoint: address of a cluster, for services that have one each.
        tries: how often a call is made until it succeeds: 1 where the caller tries again itself.
        region: where the service is, if not where the environment says.
        seconds: how long each part of an answer may take.

    Raises:
        InputError: where no region is set, or an emulator's endpoint is left in a task on AWS.
    """
    refuse_emulator()
    config = Config(
        connect_timeout=min(3.0, seconds),
        read_timeout=seconds,
        retries={"mode": "standard", "total_max_attempts": tries},
        tcp_keepalive=True,
    )
    try:
        ours = Session()
        ours.register_component("data_loader", _LOADER)
        # Tasks on AWS have AWS_REGION, of which boto3 knows nothing.
        session = boto3.session.Session(
            botocore_session=ours, region_name=region or os.environ.get("AWS_REGION")
        )
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
    except (BotoCoreError, ResponseParserError) as error:
        raise StoreError(f"{what}: AWS does not answer ({error})") from error
