"""The OpenAPI document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from fastapi import FastAPI


def document(app: FastAPI) -> bytes:
    """The document as JSON."""
    return json.dumps(get_openapi(title="Ringfence", version="1", routes=app.routes)).encode()
