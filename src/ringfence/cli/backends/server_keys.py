"""Which variables of the environment give commands the key of a server."""

from __future__ import annotations

import os
from typing import Final

KEY_VARIABLE: Final = "RINGFENCE_API_KEY"
KEY_VARIABLES: Final = [KEY_VARIABLE, "RINGFENCE_KEY"]
"""The second is what some commands asked for before; the first counts where both are set."""


def key_given() -> str | None:
    """The key of a server, of the environment."""
    return next((found for name in KEY_VARIABLES if (found := os.environ.get(name))), None)
