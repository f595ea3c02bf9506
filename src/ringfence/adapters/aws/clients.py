"""Clients of boto3 with bounded waits, and AWS's errors as ours, with their remedies."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session

from ringfence.adapters.aws_refusals import NO_CREDENTIALS, NO_REGION, SIGN_IN, refusal_of, words_of
from ringfence.adapters.emulator_address import named_endpoint, refuse_emulator, refuse_role_elsewhere
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 10.0
"""For each part of an answer. The library's own is a minute."""

_LOADER: Final = create_loader()  # keeps the descriptions of services, which take long to read
_ANY_REGION: Final = "us-east-1"
_KEPT: Final = timedelta(minutes=10)  # boto3 renews those of a role when a quarter of an hour is left


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
    with _asked():
        ours, session = _sessions(region)
        _require_region(session.region_name)
        if endpoint is None:
            _refuse_role_elsewhere(ours)
        return session.client(service, config=config, endpoint_url=endpoint)


class S3Credentials:
    """AWS's chain of credentials for a library that signs by itself: what it calls gives those of now."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self) -> None:
        """Errors of boto3, as `explained` takes them, where nobody is signed in or no longer."""
        self._found()

    def __call__(self) -> dict[str, Any]:
        """As `obstore` takes them; errors as of `check`."""
        found = self._found()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": datetime.now(UTC) + _KEPT,
        }

    def _found(self) -> Any:
        found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found.get_frozen_credentials()


class S3Access(NamedTuple):
    """Where S3 is, and who signs."""

    region: str
    endpoint: str
    credentials: S3Credentials


def s3_access() -> S3Access:
    """Region, endpoint and credentials of S3, as a client of `aws_client` would have them; errors likewise.

    Where another S3 is named, as in a test or of one's own, no region is needed.
    """
    refuse_emulator()
    with _asked():
        ours, session = _sessions(None)
        if session.region_name is None and named_endpoint("S3") is not None:
            ours, session = _sessions(_ANY_REGION)
        _require_region(session.region_name)
        _refuse_role_elsewhere(ours)
        client = session.client("s3")
        return S3Access(session.region_name, client.meta.endpoint_url, S3Credentials(ours))


def _sessions(region: str | None) -> tuple[Session, Any]:
    ours = Session()
    ours.register_component("data_loader", _LOADER)
    # Tasks on AWS have AWS_REGION, of which boto3 knows nothing.
    named = region or os.environ.get("AWS_REGION")
    return ours, boto3.session.Session(botocore_session=ours, region_name=named)


@contextmanager
def _asked() -> Iterator[None]:
    """What boto3 says of settings that make no client, as `InputError`."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"AWS cannot be asked: {error}") from error


@contextmanager
def explained(what: str, end: str = "") -> Iterator[None]:
    """AWS's errors as `StoreError`, with the action, the resource, a remedy, and `end` behind it."""
    try:
        yield
    except NoCredentialsError as error:
        raise StoreError(f"{what}: {NO_CREDENTIALS}{end}") from error
    except ClientError as error:
        raise StoreError(f"{what}: {_told(error)}{end}") from error
    except (SSOError, TokenRetrievalError, CredentialRetrievalError) as error:
        raise StoreError(
            f"{what}: AWS's credentials cannot be had ({words_of(str(error))}): {SIGN_IN}{end}"
        ) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        said = f"AWS does not answer ({words_of(str(error))})"
        raise StoreError(f"{what}: {said}: look at the region in it, and at the network{end}") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise StoreError(f"{what}: AWS does not answer ({words_of(str(error))}): try again{end}") from error


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
