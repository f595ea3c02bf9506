"""The dashboard: pages for the people who watch over payments, served beside the API."""

from ringfence.web.dashboard import Dashboard

__all__ = ["Dashboard"]
