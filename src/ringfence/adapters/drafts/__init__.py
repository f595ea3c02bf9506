"""First mappings for files that nobody prepared, drafted from their columns and tried on their rows."""

from ringfence.adapters.drafts.drafting import Draft, draft_mapping
from ringfence.adapters.drafts.plan import Choice, Question

__all__ = ["Choice", "Draft", "Question", "draft_mapping"]
