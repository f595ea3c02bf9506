"""A model that answers elsewhere, with a deadline, and what protects payments from it when it does not."""

from ringfence.adapters.remote.scorer import RemoteModel

__all__ = ["RemoteModel"]
