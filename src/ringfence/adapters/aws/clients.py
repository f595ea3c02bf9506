"""Clients of boto3 with bounded waits, and AWS's errors as ours, with their remedies."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session

from ringfence.adapters.aws_refusals import NO_CREDENTIALS, NO_REGION, refusal_of, words_of
from ringfence.adapters.emulator_address import named_endpoint, refuse_emulator, refuse_role_elsewhere
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 10.0
"""For each part of an answer. The library's own is a minute."""

_LOADER: Final = create_loader()  # keeps the descriptions of services, which take long to read


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
        InputError: where no region is set, or an emulator's endpoint is left where a role signs in.
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
        _require_region(session.region_name)
        if endpoint is None:
            _refuse_role_elsewhere(ours)
        return session.client(service, config=config, endpoint_url=endpoint)
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS cannot be asked: {error}") from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """AWS's errors as `StoreError`, with the action, the resource and a remedy."""
    try:
        yield
    except NoCredentialsError as error:
        raise StoreError(f"{what}: {NO_CREDENTIALS} (aws sso login)") from error
    except ClientError as error:
        raise StoreError(f"{what}: {_told(error)}") from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        said = f"AWS does not answer ({words_of(str(error))})"
        raise StoreError(f"{what}: {said}: look at the region in it, and at the network") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise StoreError(f"{what}: AWS does not answer ({words_of(str(error))}): try again") from error


def _told(error: ClientError) -> str:
    told, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message = str(told.get("Code", "error")), str(told.get("Message", ""))
    region = answer.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
    status = int(answer.get("HTTPStatusCode", 0))
    return refusal_of(str(error.operation_name), code, message, status, region)


def _require_region(region: str | None) -> None:
    """`InputError` where none is named: S3 would take one by itself."""
    if region is None:
        raise InputError(NO_REGION)


def _refuse_role_elsewhere(ours: Session) -> None:
    """`InputError` as of `refuse_role_elsewhere`. Credentials are looked for where an endpoint is named."""
    profile = ours.get_scoped_config()
    services = ours.full_config.get("services", {}).get(profile.get("services"), {})
    told = [profile, *(one for one in services.values() if isinstance(one, dict))]
    urls = [str(one["endpoint_url"]) for one in told if "endpoint_url" in one]
    if urls or named_endpoint() is not None:
        found = ours.get_credentials()
        refuse_role_elsewhere(found.method if found is not None else "", urls)
