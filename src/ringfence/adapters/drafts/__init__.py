"""First mappings for files that nobody prepared, drafted from their columns and tried on their rows."""

from ringfence.adapters.drafts.drafting import draft_mapping

__all__ = ["draft_mapping"]
