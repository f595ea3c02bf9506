"""The relational store: payments, decisions and whom they concern, in PostgreSQL for any SQL client.

log ──► RelationalStore.take(topic, batches) ──► facts by COPY, dimensions, rollups, position: one transaction
"""

from ringfence.adapters.relational.store import RelationalStore

__all__ = ["RelationalStore"]
