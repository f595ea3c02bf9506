"""An emulator's address that was left where payments are real."""

from __future__ import annotations

import os
from typing import Final

from ringfence.errors import InputError

_IN_CONTAINER: Final = "ECS_CONTAINER_METADATA_URI_V4"


def refuse_emulator() -> None:
    """`InputError` where the environment of a task on AWS names an endpoint, as it does for an emulator."""
    named = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]
    if named and _IN_CONTAINER in os.environ:
        raise InputError(
            f"{named[0]} names an endpoint of its own in a task on AWS: remove it, or it is tested only"
        )
