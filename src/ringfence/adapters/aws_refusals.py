"""What is said of AWS's errors, and what to do about each, by its code. No library of AWS's is needed."""

from __future__ import annotations

from typing import Final

NO_REGION: Final = "no region is set: set AWS_REGION, such as eu-central-1"
NO_CREDENTIALS: Final = "AWS finds no credentials. Give the task a role, or sign in (aws sso login)"
_ALLOW: Final = "allow the action to the role that runs this"
_WHERE: Final = "look at its name and region, or make it"
SIGN_IN: Final = "sign in again (aws sso login), or look at the task's role"
_INVALID: Final = "the credentials are not valid in this region"
_REGION: Final = "it is in another region: set AWS_REGION"
_REMEDIES: Final = {
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "KMS.AccessDeniedException",
            "KMSAccessDenied",
            "KMSAccessDeniedException",
            "NotAuthorizedForSourceException",
        ),
        _ALLOW,
    ),
    **dict.fromkeys(
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            "NoSuchBucket",
            "NotFound",
            "NotFoundException",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ),
        _WHERE,
    ),
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        ),
        _INVALID,
    ),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException"), SIGN_IN),
    **dict.fromkeys(
        ("InvalidSignatureException", "RequestTimeTooSkewed", "SignatureDoesNotMatch"),
        "the credentials are not valid, or the clock is wrong",
    ),
    **dict.fromkeys(
        (
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "PermanentRedirect",
        ),
        _REGION,
    ),
    **dict.fromkeys(
        ("OptInRequired", "SubscriptionRequiredException"),
        "switch the service or the region on for this account",
    ),
    "MessageRejected": "have SES verify the sender, in this region",
    "ValidationException": "AWS does not take this; a table's keys are account_id and transaction_id",
}
_SHOWN: Final = 400  # characters of AWS's own words
_PASSES: Final = (
    "Throttl",
    "SlowDown",
    "TooManyRequests",
    "ProvisionedThroughput",
    "LimitExceeded",
    "RequestTimeout",
    "TransactionConflict",
    "ExpiredIterator",
    "OperationAborted",
)
_PASSING: Final = (408, 409, 425, 429)  # of the answers that say that the request is at fault


def refusal_of(action: str, code: str, message: str, status: int = 0, region: str = "") -> str:
    """The action that failed, what AWS says, and the remedy.

    Args:
        action: the operation, or the right that it asks for.
        code: AWS's name of the error.
        message: AWS's own words.
        status: of the answer over HTTP; 0 where it is not known.
        region: where S3 says that a bucket is.
    """
    return f"{action} fails with {code} ({words_of(message)}): {remedy_of(code, status, region)}"


def remedy_of(code: str, status: int = 0, region: str = "") -> str:
    """What to do about an error; `region` is where S3 says that a bucket is."""
    found = _REMEDIES.get(code)
    if found is not None:
        return f"{found}={region}" if found is _REGION and region else found
    if 400 <= status < 500 and status not in _PASSING and not any(part in code for part in _PASSES):
        return "AWS does not take it as it is, and the same will be refused again"
    return "try again"


def words_of(message: str) -> str:
    """AWS's own words on one line; none of a page for browsers."""
    text = " ".join(message.split())
    if not text or text.startswith("<"):
        return "no reason given"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
