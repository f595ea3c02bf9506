"""What alerts can be muted of: names of rules, and whom payments are about."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ringfence.alerts.model import ENTITIES
from ringfence.compose.deciding.rules import StoredHistory
from ringfence.decisions.index import DecisionQuery
from ringfence.desks.alerts import MuteDesk, MuteGround
from ringfence.scoring.rulesets.ruleset import RuleSet

if TYPE_CHECKING:
    from ringfence.alerts.book import Alerts
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.tables import Tables
    from ringfence.store import DataFolder

_REASONS: Final = "SELECT DISTINCT unnest(reasons) AS reason FROM decisions"
_LATELY: Final = 1000  # alerts


def mute_desk(store: DataFolder, tables: Tables, alerts: Alerts, tokenizer: Tokenizer) -> MuteDesk:
    """Where alerts of a store are muted."""
    return MuteDesk(alerts, partial(mute_ground, store, tables, alerts), tokenizer)


def mute_ground(store: DataFolder, tables: Tables, alerts: Alerts) -> MuteGround:
    """What there is to mute in a store."""
    active = StoredHistory(store, tables).active()
    names = {one.digest: _names(RuleSet.from_json(one.body)) for one in store.registry.versions("rules")}

    def earlier() -> frozenset[str]:
        reasons = {row["reason"] for row in tables.sql(_REASONS).to_pylist()}
        return frozenset(reasons | {one.lower() for one in reasons}).union(*names.values())

    def has_paid(kind: str, entity_id: str) -> bool:
        if kind not in ENTITIES:
            return tables.find_decision(entity_id) is not None
        return tables.decisions(DecisionQuery(entity=kind, entity_id=entity_id, limit=1)).num_rows > 0

    return MuteGround(
        names.get(active, frozenset()),
        earlier,
        has_paid,
        lambda: [one.entity_id for one in alerts.alerts(limit=_LATELY)],
    )


def _names(ruleset: RuleSet) -> frozenset[str]:
    """What alerts on decisions by these rules may be called."""
    rules = ruleset.every_rule
    reasons = {one.reason for one in rules}
    found = {one.id for one in rules} | {one.id for one in ruleset.typologies}
    found |= {one.typology for one in rules if one.typology}
    return frozenset(found | reasons | {one.lower() for one in reasons})
