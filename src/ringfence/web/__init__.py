"""The dashboard: pages for the people who watch over payments, served beside the API."""

from ringfence.web.site import Site

__all__ = ["Site"]
