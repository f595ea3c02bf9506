"""What may be asked: decisions, entities, and the stream."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
