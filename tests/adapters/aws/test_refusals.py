"""What to do about an error of AWS: what passes by itself is tried again, and nothing else."""

import pytest

from ringfence.adapters.aws_refusals import remedy_of


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("KMS.ThrottlingException", 400),
        ("KMSThrottlingException", 400),
        ("RequestLimitExceeded", 400),
        ("RequestThrottled", 403),
        ("RequestTimeout", 400),
        ("TransactionConflictException", 400),
        ("ExpiredIteratorException", 400),
        ("OperationAborted", 409),
        ("InternalFailure", 500),
        ("", 429),
    ],
)
def test_what_passes_is_tried_again(code, status):
    assert remedy_of(code, status) == "try again"


@pytest.mark.parametrize(("code", "status"), [("MalformedPolicy", 400), ("", 403), ("EntityTooLarge", 413)])
def test_what_stays_wrong_is_not(code, status):
    assert "refused again" in remedy_of(code, status)
