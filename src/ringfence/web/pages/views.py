"""Saved views for the script of the tables: what `/v1/views` does, for who is signed in."""

from __future__ import annotations

from fastapi import APIRouter

from ringfence.api.http.lazy_routes import LazyRoute
from ringfence.api.routes.views import remove_view, save_view, views

router = APIRouter(route_class=LazyRoute)
router.get("/views")(views)
router.post("/views")(save_view)
router.post("/views/{view_id}/remove")(remove_view)
