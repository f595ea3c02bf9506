"""What requests of pages are called on record (`ringfence.api.audited`), by method and route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/sign-in"): "access.signed_in",
    ("POST", "/sign-out"): "access.signed_out",
    ("GET", "/decisions"): "payment.listed",
    ("GET", "/decisions/{transaction_id:id}"): "payment.seen",
    ("POST", "/explained/{transaction_id:id}"): "payment.explained",
    ("POST", "/replay/{transaction_id:id}"): "payment.decided_again",
    ("POST", "/find"): "payment.searched",
    ("POST", "/search"): "payment.searched",
    ("GET", "/entities/{entity_type}/{entity_id:id}"): "entity.seen",
    ("GET", "/streams/{topic}"): "log.seen",
    ("GET", "/quarantine/{record_id}"): "quarantine.seen",
    ("POST", "/quarantine/replay"): "quarantine.replayed",
    ("GET", "/lists/{name:id}"): "list.seen",
    ("POST", "/lists"): "list.added",
    ("POST", "/lists/remove"): "list.removed",
    ("POST", "/lists/import"): "list.imported",
    ("POST", "/rules/check"): "rules.checked",
    ("POST", "/rules/rates"): "rules.checked",
    ("POST", "/rules/save"): "rules.saved",
    ("POST", "/rules/mode"): "rules.mode_set",
    ("POST", "/rules/versions/{digest}/approve"): "rules.approved",
    ("POST", "/rules/versions/{digest}/reject"): "rules.rejected",
    ("POST", "/rules/versions/{digest}/activate"): "rules.activated",
    ("POST", "/rules/versions/{digest}/rollback"): "rules.rolled_back",
    ("POST", "/rules/backtest"): "rules.tried",
    ("POST", "/backtests/{job_id}/stop"): "rules.trial_stopped",
    ("GET", "/alerts"): "alert.listed",
    ("POST", "/alerts/acknowledge"): "alert.acknowledged",
    ("GET", "/graph-neighbours/{entity_type}/{entity_id:id}"): "entity.seen",
    ("POST", "/answer"): "customer.answered",
    ("POST", "/bus/test"): "bus.tested",
    ("POST", "/bus/subscribe"): "bus.changed",
    ("POST", "/bus/{change}"): "bus.changed",
    ("POST", "/outbox/retry"): "outbox.retried",
    ("POST", "/outbox/purge"): "outbox.purged",
    ("GET", "/cases"): "case.listed",
    ("GET", "/graph/{entity_type}/{entity_id:id}"): "entity.seen",
    ("GET", "/cases/{case_id}"): "case.seen",
    ("GET", "/cases/{case_id}/preview"): "case.seen",
    ("POST", "/cases/{case_id}"): "case.acted_on",
    ("POST", "/cases/open"): "case.opened",
    ("POST", "/cases/next"): "case.taken",
    ("POST", "/cases/bulk"): "case.acted_on",
    ("GET", "/performance/{name}/csv"): "figures.exported",
    ("POST", "/sql"): "data.asked",
    ("POST", "/models/{version}/promote"): "model.promoted",
    ("POST", "/models/{version}/retire"): "model.retired",
}
