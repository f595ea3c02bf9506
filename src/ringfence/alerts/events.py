"""Events that alerts make: for the team, for the customer, and for whoever else subscribes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.alerts import wording
from ringfence.alerts.policy import LANGUAGES
from ringfence.bus.catalog import PREFIX
from ringfence.bus.words import Words, words_of
from ringfence.decisions.decision import PROBABILITY
from ringfence.errors import InputError
from ringfence.events.values.currencies import major
from ringfence.scoring.language.words import in_words, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.alerts.model import Alert
    from ringfence.alerts.policy import AlertPolicy
    from ringfence.bus.words import Button
    from ringfence.scoring.rulesets.ruleset import RuleSet

OPENED: Final = f"{PREFIX}alert.opened.v1"
RAISED: Final = f"{PREFIX}alert.raised.v1"
DIGEST: Final = f"{PREFIX}alert.digest.v1"
ESCALATED: Final = f"{PREFIX}alert.escalated.v1"
CUSTOMER_ASKED: Final = f"{PREFIX}customer.asked.v1"
_AUDIENCES: Final = {
    OPENED: "team",
    RAISED: "team",
    DIGEST: "digest",
    ESCALATED: "escalation",
    CUSTOMER_ASKED: "customer",
}
KEPT: Final = (
    *("transaction_id", "outcome", "score", "reasons", "rules", "transaction"),
    *("event_time_ms", "decided_at_ms"),
)
"""What an event on an alert repeats of the decision."""

_ASKED: Final = re.compile(r"\{([^{}]+)\}")
_OF_PAYMENT: Final = ("amount", "currency", "country", "card_last4")


def event_of(
    type_: str, source: str, event_id: str, at_ms: int, key: str, data: dict[str, Any]
) -> dict[str, Any]:
    """A CloudEvent about alerts."""
    return {
        "specversion": "1.0",
        "type": type_,
        "source": source,
        "id": event_id,
        "time": datetime.fromtimestamp(at_ms / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "subject": key,
        "partitionkey": key,
        "data": data,
    }


def alert_data(alert: Alert, event: dict[str, Any], reasons: list[str]) -> dict[str, Any]:
    """What an event on an alert says: the alert, and the decision that opened or raised it."""
    decision = event["data"]
    return {
        "alert": msgspec.to_builtins(alert),
        "decision": {name: decision[name] for name in KEPT if name in decision},
        "explanations": reasons,
    }


def explanations(
    event: dict[str, Any], ruleset: RuleSet | None, feature: Callable[[str], float | None]
) -> list[str]:
    """The reasons of a decision in the analyst's words, its codes where the rules are not known.

    `feature` gives the value that the decision had of one; few are asked for.
    """
    data = event["data"]
    by_id = ruleset.by_id if ruleset else {}
    told = [_filled(by_id[rule].analyst, data, feature) for rule in data.get("rules", ()) if rule in by_id]
    return told or list(data.get("reasons", ()))


def _filled(text: str, data: dict[str, Any], feature: Callable[[str], float | None]) -> str:
    def value(match: re.Match[str]) -> str:
        asked, form = split(match[1])
        entity, _, name = asked.partition(".")
        if entity == "typology":
            return in_words(data.get("typologies", {}).get(name, 0.0), form)
        if asked == "amount":
            return _amount(data.get("transaction", {}))
        if asked == PROBABILITY:
            return in_words(data.get("probability"), form)
        return in_words(feature(asked), form)

    return _ASKED.sub(value, text)


def _amount(payment: dict[str, Any]) -> str:
    if payment.get("amount") is None:
        return in_words(None)
    currency = payment.get("currency") or ""
    return f"{major(payment['amount'], currency)} {currency}".rstrip()


class Wording:
    """An event in words, by the templates of a policy.

    Args:
        texts: templates of your own, by `AUDIENCE.LANGUAGE`; checked.
        link: where the customer answers about a payment of an alert, "" where there is no such page.
        buttons: what the team may do about an alert, by its data and the language.
    """

    def __init__(
        self,
        policy: AlertPolicy,
        texts: Mapping[str, str],
        link: Callable[[dict[str, Any]], str] = lambda _data: "",
        buttons: Callable[[dict[str, Any], str], tuple[Button, ...]] = lambda _data, _language: (),
    ) -> None:
        self._policy = policy
        self._texts = dict(texts)
        self._link = link
        self._buttons = buttons

    def __call__(self, event: dict[str, Any]) -> Words:
        """The message about an event; those that are no alerts have words of their own."""
        audience = _AUDIENCES.get(event["type"])
        if audience is None:
            return words_of(event)
        data = event["data"]
        asked = data.get("language")
        language = asked if asked in LANGUAGES else self._policy.language
        text = self._texts.get(f"{audience}.{language}") or wording.shipped(audience, language)
        values = self._values(event, audience)
        try:
            words = wording.rendered(audience, text, values, language)
        except InputError:  # a text of one's own that this event does not fit: it is told all the same
            words = wording.rendered(audience, wording.shipped(audience, language), values, language)
        if audience == "team":
            return words._replace(buttons=self._buttons(data, language))
        return words._replace(to=data["to"], link=values["link"]) if audience == "customer" else words

    def _values(self, event: dict[str, Any], audience: str) -> dict[str, Any]:
        data = event["data"]
        alert, decision = data.get("alert", {}), data.get("decision", {})
        payment = decision.get("transaction", {})
        values: dict[str, Any] = {name: payment[name] for name in _OF_PAYMENT if name in payment}
        values |= {"merchant": payment.get("merchant_id", ""), "bank": self._policy.bank}
        if "event_time_ms" in decision:
            moment = datetime.fromtimestamp(decision["event_time_ms"] / 1000, UTC)
            values["time"] = f"{moment:%Y-%m-%d %H:%M} UTC"
        values |= {"declined": decision.get("outcome") == "decline"}
        if audience == "customer":
            return values | {"link": self._link(data)}
        values |= {
            name: alert[name] for name in ("severity", "count", "entity", "entity_id", "typology") if alert
        }
        told = ("count", "severity", "severities", "minutes", "digest")
        values |= {name: data[name] for name in told if name in data}
        values |= {
            name: decision[name] for name in ("outcome", "score", "transaction_id") if name in decision
        }
        return values | {
            "alert_id": alert.get("id", ""),
            "raised": event["type"] == RAISED,
            "reasons": data.get("explanations", []),
        }
