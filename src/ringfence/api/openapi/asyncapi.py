"""The bus as an AsyncAPI 3 document: every type of event, as the code that makes it has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ringfence.alerts import events as alerts
from ringfence.alerts.model import Alert
from ringfence.api.openapi.pieces import schemas_of
from ringfence.bus.catalog import (
    CASE_TYPES,
    DECISION_DATA,
    DRIFT_FOUND,
    FLAG_MATCHED,
    KINDS,
    MODEL_PROPOSED,
    MODEL_WEAKENED,
    OBJECTIVE_BURNING,
    OBJECTIVE_RECOVERED,
    PAYMENT_FIELDS,
    PREFIX,
    TYPES,
    type_of,
)
from ringfence.decisions.decision import DECISION_FIELDS
from ringfence.events.decoding.record import RECORDS
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.features.spec import ENTITY_KEYS
from ringfence.learning.watching.drift_alerts import DRIFT_SCHEMA
from ringfence.learning.watching.model_news import NEWS_SCHEMA
from ringfence.objectives import SLO_NEWS_SCHEMA
from ringfence.scoring.reference.recent import FLAG_MATCH_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = "3.0.0"
_CONTENT: Final = "application/cloudevents+json"
_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_VALUE: Final = {"type": ["string", "number", "boolean"]}
_ENVELOPE: Final[dict[str, Any]] = {
    "specversion": {"const": "1.0"},
    "source": {"type": "string", "description": "The log, with which `id` is unique for ever."},
    "id": {"type": "string", "description": "The same whenever the event is sent."},
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": {"const": "application/json"},
    "subject": {"type": "string", "description": "The payment, entity, model, alert or case."},
    "partitionkey": {"type": "string", "description": "Order is kept among events with the same key."},
}
_ACTIVATION: Final = ("event_id", "event_time", "entity_type", "entity_id", "note", "attributes")
_OF_ALERT: Final = {
    alerts.OPENED: "An alert was opened; with the decision that did, and its reasons in words.",
    alerts.RAISED: "An alert became more severe by a decision.",
    alerts.DIGEST: "A destination's cap held back so many alerts.",
    alerts.ESCALATED: "Nobody has acknowledged an alert in time.",
}


def document(version: str) -> dict[str, Any]:
    """The document, of a version of Ringfence.

    >>> sorted(document("1")["channels"])
    ['stream', 'subscription']
    """
    texts = TYPES | CASE_TYPES | _OF_ALERT
    names = {type_: _name(type_) for type_ in texts}
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()}
    pulled = [type_ for type_ in texts if type_ != alerts.DIGEST]
    streamed = {names[type_]: messages[names[type_]] for type_ in pulled}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Ringfence event bus",
            "version": version,
            "description": "Everything that Ringfence decides or learns, as CloudEvents 1.0.",
        },
        "defaultContentType": _CONTENT,
        "channels": {
            "subscription": {
                "address": None,
                "description": "The address of a subscription's destination (`ringfence bus subscribe`). "
                "Webhooks are signed as Standard Webhooks 1.0 describes; `webhook-id` is the same at every "
                "attempt.",
                "messages": messages,
            },
            "stream": {
                "address": "/v1/events/stream",
                "description": "Server-sent events, and pages of the same at `/v1/events`.",
                "messages": streamed,
            },
        },
        "operations": {
            "deliver": _sending("subscription", messages, "An event that a subscription wants."),
            "stream": _sending("stream", streamed, "An event that a listener wants."),
        },
        "components": {
            "messages": {
                names[type_]: {
                    "name": type_,
                    "title": " ".join(type_.removeprefix(PREFIX).split(".")[:-1]).capitalize(),
                    "summary": told,
                    "contentType": _CONTENT,
                    "payload": _event(type_),
                }
                for type_, told in texts.items()
            },
            "schemas": _schemas(),
        },
    }


def _sending(channel: str, messages: Iterable[str], summary: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _event(type_: str) -> dict[str, Any]:
    return _object(
        {
            **_ENVELOPE,
            "type": {"const": type_},
            "data": {"$ref": f"#/components/schemas/{_name(type_)}Data"},
        },
        needed=("specversion", "type", "source", "id", "time", "datacontenttype", "partitionkey", "data"),
    )


def _schemas() -> dict[str, Any]:
    decision = _arrow(DECISION_FIELDS, DECISION_DATA)
    told = [name for name in NEWS_SCHEMA.names if name != "news"]  # that is the type
    payment = _arrow(EVENT_SCHEMA, PAYMENT_FIELDS) | {"amount": _NUMBER, "attributes": _map(_VALUE)}
    found = {
        "Payment": _object(payment),
        f"{_name(next(iter(TYPES)))}Data": _object(
            decision
            | {
                "features": _map(_NUMBER),
                "typologies": _map(_NUMBER),
                "versions": _map(_TEXT),
                "transaction": {"$ref": "#/components/schemas/Payment"},
            },
            needed=[name for name in decision if name not in ("probability", "model")],
        ),
        f"{_name(DRIFT_FOUND)}Data": _object(_arrow(DRIFT_SCHEMA, DRIFT_SCHEMA.names)),
        **{
            f"{_name(type_)}Data": _object(_arrow(NEWS_SCHEMA, told))
            for type_ in (MODEL_WEAKENED, MODEL_PROPOSED)
        },
        **{
            f"{_name(type_)}Data": _object(
                _arrow(SLO_NEWS_SCHEMA, [name for name in SLO_NEWS_SCHEMA.names if name != "news"])
            )
            for type_ in (OBJECTIVE_BURNING, OBJECTIVE_RECOVERED)
        },
        f"{_name(FLAG_MATCHED)}Data": _object(_arrow(FLAG_MATCH_SCHEMA, FLAG_MATCH_SCHEMA.names)),
    }
    for kind in KINDS:
        found[f"{_name(type_of(kind))}Data"] = _input(kind)
    return found | _of_alerts() | {f"{_name(type_)}Data": _of_cases() for type_ in CASE_TYPES}


def _input(kind: Kind) -> dict[str, Any]:
    record = RECORDS.get(kind.name.lower())
    told = record.__struct_fields__ if record else _ACTIVATION
    columns = {name if name in EVENT_SCHEMA.names else f"{name}_ms" for name in told} | {"ingest_time_ms"}
    fields = _arrow(EVENT_SCHEMA, [name for name in EVENT_SCHEMA.names if name in columns])
    if "amount_minor" in fields:
        fields["amount"] = _NUMBER
    fields.pop("amount_minor", None)
    return _object(
        fields | {"offset": _INTEGER, "attributes": _map(_VALUE)}, needed=("offset", "event_time_ms")
    )


def _of_alerts() -> dict[str, Any]:
    schemas = schemas_of((Alert,))
    decision = _arrow(DECISION_FIELDS, [name for name in DECISION_DATA if name in alerts.KEPT])
    told = {
        "alert": {"$ref": "#/components/schemas/Alert"},
        "decision": _object(decision | {"transaction": {"$ref": "#/components/schemas/Payment"}}),
        "explanations": {"type": "array", "items": _TEXT},
    }
    about = _object(told, needed=told)
    digest = {"count": _INTEGER, "severity": _TEXT, "severities": _TEXT}
    escalated = {"alert": told["alert"], "minutes": _INTEGER}
    return schemas | {
        f"{_name(alerts.OPENED)}Data": about,
        f"{_name(alerts.RAISED)}Data": about,
        f"{_name(alerts.DIGEST)}Data": _object(digest, needed=digest),
        f"{_name(alerts.ESCALATED)}Data": _object(escalated, needed=escalated),
    }


def _of_cases() -> dict[str, Any]:
    subject = {"entity_type": {"enum": sorted(ENTITY_KEYS)}, "entity_id": _TEXT}
    told = {
        **dict.fromkeys(("case_id", "change", "by", "state", "queue"), _TEXT),
        **dict.fromkeys(("version", "alerts", "payments"), _INTEGER),
        "subjects": {"type": "array", "items": _object(subject, needed=subject)},
        "escalated": {"type": "boolean"},
    }
    return _object(told | {"disposition": _TEXT}, needed=told)


def _arrow(schema: Iterable[pa.Field], names: Iterable[str]) -> dict[str, Any]:
    types = {field.name: field.type for field in schema}
    return {name: _of_type(types[name]) for name in names}


def _of_type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"type": "array", "items": _of_type(kind.value_type)}
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return _TEXT
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    return _INTEGER if pa.types.is_integer(kind) else _NUMBER


def _object(properties: dict[str, Any], needed: Iterable[str] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": sorted(needed)} if needed else {})


def _map(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _name(type_: str) -> str:
    """A type as a name in the document.

    >>> _name("com.ringfence.decision.made.v1")
    'DecisionMade'
    """
    return "".join(part.capitalize() for part in type_.removeprefix(PREFIX).split(".")[:-1])
