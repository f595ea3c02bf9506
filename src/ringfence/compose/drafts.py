"""The function that drafts a mapping for a file."""

from ringfence.adapters.drafts import draft_mapping

__all__ = ["draft_mapping"]
