"""Signatures of AWS (SigV4) for calls of a SageMaker endpoint."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import msgspec

from ringfence.adapters.aws_refusals import NO_CREDENTIALS, words_of
from ringfence.adapters.emulator_address import is_on_aws, refuse_emulator
from ringfence.errors import ScorerError

_VARIANT: Final = "x-amzn-sagemaker-target-variant"
_SIGNED: Final = ("authorization", "x-amz-date", "x-amz-security-token", _VARIANT)
REFUSALS: Final = {
    400: "look at the endpoint's name and region, and at the variant",
    403: "allow sagemaker:InvokeEndpoint on it to the role that runs this, or sign in again",
    424: "its container has failed: see its log",
}
"""What to do by status, where the answer says why."""


class _Refusal(msgspec.Struct, rename="pascal"):
    message: str = ""


def refusal(status: int, answer: bytes) -> str:
    """What SageMaker says of a call that it does not take, with action, resource and remedy."""
    try:
        said = words_of(msgspec.json.decode(answer, type=_Refusal).message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = ""
    return f"{said or 'no reason given'} ({REFUSALS.get(status, 'see the log of its container')})"


class SageMakerSigner:
    """Signs calls of `url` with the credentials of AWS's own environment and files, or the task's role.

    `variant` is the one of the endpoint that has to answer; empty for whichever SageMaker chooses.

    `ScorerError` where the library is missing, nobody is signed in, or an emulator's address is left.
    """

    def __init__(self, region: str, url: str, variant: str = "") -> None:
        if find_spec("boto3") is None:
            raise ScorerError("a SageMaker endpoint needs one more library: pip install 'ringfence[aws]'")
        refuse_emulator()
        if is_on_aws() and not url.startswith("https://"):
            raise ScorerError(
                f"{url} is no endpoint of SageMaker, as for an emulator, in a task on AWS: "
                "describe the real one with `ringfence models remote`"
            )
        import boto3  # noqa: PLC0415 (an extra)

        self._region = region
        self._asked = {_VARIANT: variant} if variant else {}
        self._credentials = boto3.session.Session(region_name=region).get_credentials()
        if self._credentials is None:
            raise ScorerError(NO_CREDENTIALS)

    def headers(self, url: str, body: bytes) -> dict[str, str]:
        """What to send with this very body, now. It may wait for the role's next credentials."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 (an extra)
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        request = AWSRequest("POST", url, {"content-type": "application/json"} | self._asked, body)
        try:
            SigV4Auth(self._credentials.get_frozen_credentials(), "sagemaker", self._region).add_auth(request)
        except BotoCoreError as error:
            raise ScorerError(f"AWS gives no credentials: {error}") from error
        return {name: value for name, value in request.headers.items() if name.lower() in _SIGNED}
