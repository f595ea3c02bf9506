"""An emulator's address that was left where payments are real."""

from __future__ import annotations

import os
import re
from typing import Final

from ringfence.errors import InputError

_IN_CONTAINER: Final = "ECS_CONTAINER_METADATA_URI_V4"
_OF_A_NETWORK: Final = re.compile(r"https://[\w.-]+\.vpce\.amazonaws\.com(\.cn)?/?", re.ASCII)


def refuse_emulator() -> None:
    """`InputError` where the environment of a task on AWS names an endpoint, as it does for an emulator.

    AWS's own endpoint in a private network is none: streams of DynamoDB have no other name there.
    """
    named = [
        name
        for name, url in os.environ.items()
        if name.startswith("AWS_ENDPOINT_URL") and url and not _OF_A_NETWORK.fullmatch(url)
    ]
    if named and _IN_CONTAINER in os.environ:
        raise InputError(
            f"{named[0]} names an endpoint of its own in a task on AWS, as for an emulator: remove it"
        )
