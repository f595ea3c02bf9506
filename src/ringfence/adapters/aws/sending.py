"""One attempt at AWS as an `AttemptOutcome`: nothing is tried again within it, as the outbox does that."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ParamValidationError

from ringfence.adapters.aws.clients import SECONDS, aws_client, explained
from ringfence.adapters.emulator_address import refuse_emulator
from ringfence.bus.notifier import AttemptEnd, AttemptOutcome
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

_FINAL: Final = frozenset(
    {
        "InvalidParameter",
        "InvalidParameterValue",
        "ParameterValueInvalid",
        "InvalidMessageContents",
        "AWS.SimpleQueueService.UnsupportedOperation",
        "MessageRejected",
        "BadRequestException",
        "ValidationException",
        "MalformedDetail",
        "InvalidArgument",
    }
)
"""Codes of errors that the same message meets again, whenever it is sent."""


class NeverError(Exception):
    """A message that the destination can never take; it says why."""


def sent(what: str, call: Callable[[], str]) -> AttemptOutcome:
    """The outcome of one call, which returns what to say of it or raises as boto3 does, or `NeverError`."""
    try:
        with explained(what):
            return AttemptOutcome(AttemptEnd.DELIVERED, call())
    except NeverError as error:
        return AttemptOutcome(AttemptEnd.REFUSED, f"{what}: {error}")
    except InputError as error:
        return AttemptOutcome(AttemptEnd.RETRY, str(error))
    except (KeyError, ValueError):
        return AttemptOutcome(
            AttemptEnd.RETRY, f"{what}: AWS answers in part, so nobody knows whether it was taken"
        )
    except StoreError as error:
        return _outcome(error)


def _outcome(error: StoreError) -> AttemptOutcome:
    cause = error.__cause__
    if isinstance(cause, ParamValidationError):
        return AttemptOutcome(AttemptEnd.REFUSED, str(error))
    if not isinstance(cause, ClientError):
        return AttemptOutcome(AttemptEnd.RETRY, str(error))
    if cause.response.get("Error", {}).get("Code") in _FINAL:
        return AttemptOutcome(AttemptEnd.REFUSED, str(error))
    told = str(cause.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return AttemptOutcome(
        AttemptEnd.RETRY, str(error), float(told[:9]) if told.isascii() and told.isdigit() else None
    )


def failed(code: str, message: str, what: str) -> AttemptOutcome:
    """Of an entry that failed in a call that succeeded."""
    return AttemptOutcome(
        AttemptEnd.REFUSED if code in _FINAL else AttemptEnd.RETRY, f"{what}: {code} ({message})"
    )


def once(service: str, region: str | None = None, seconds: float = SECONDS) -> Any:
    """A client that makes one attempt a call; `InputError` as of `aws_client`."""
    return aws_client(service, tries=1, region=region, seconds=seconds)


class InEachRegion:
    """Clients of a service by region, each made when an ARN of its region comes first. Any thread may ask."""

    def __init__(self, service: str, seconds: float = SECONDS) -> None:
        """`InputError` where an emulator's endpoint is left in a task on AWS."""
        refuse_emulator()
        self._service, self._seconds = service, seconds
        self._clients: dict[str, Any] = {}
        self._lock = Lock()

    def of(self, arn: str) -> Any:
        """The client for what an ARN names."""
        region = arn.split(":")[3]
        with self._lock:
            if region not in self._clients:
                self._clients[region] = once(self._service, region, self._seconds)
            return self._clients[region]

    def close(self) -> None:
        """Hang up. Closing twice is allowed."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
