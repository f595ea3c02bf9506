"""Where a remote model answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a model answers: the `parameters` of a manifest whose algorithm is `remote`."""

    url: Annotated[str, Meta(pattern="^https?://[^@?#]+$")]  # a secret has no place in it
    serves: str = ""  # the version that has to answer; empty: whichever does
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] = 100
    tries: Annotated[int, Meta(ge=1, le=5)] = 2
    most_failures: Annotated[int, Meta(ge=1)] = 5  # in a row, until it is left alone
    rest_ms: Annotated[int, Meta(ge=1)] = 5_000  # for so long
    region: Annotated[str, Meta(pattern="^[a-z0-9-]*$")] = (
        ""  # of a SageMaker endpoint: calls are signed for it
    )
    variant: Annotated[str, Meta(pattern="^[A-Za-z0-9-]{0,63}$")] = (
        ""  # of that endpoint, which alone is asked
    )
