"""Words for a model's reasons: what an input being as it is says, to the analyst and to the customer.

A model's manifest may bring texts of its own; the others are made from the definition of the feature. A
feature's name in braces is its value, as in the texts of rules. The customer hears what was unusual, never
what was compared with what.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from ringfence.features.durations import format_duration
from ringfence.features.spec import FeatureKind, FeatureSpec, short_field
from ringfence.scoring.artifacts.manifest import ReasonText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ringfence.features.links import LinkSignal
    from ringfence.features.spec import Feature
    from ringfence.scoring.artifacts.manifest import Manifest

_OF_MODEL: Final = "MODEL_"  # how codes of a model begin, unless its manifest brings others
MODEL_SCORE: Final = "MODEL_SCORE"
"""Code where a model asks for an outcome and cannot tell, input by input, why."""

WITHOUT_PART: Final = "DECIDED_WITHOUT"
"""Code where nothing but a missing part led to the outcome."""

_KIND: Final = {
    FeatureKind.COUNT: ("FREQUENCY", "{value} payment{s}{where} of this {entity} in {window}"),
    FeatureKind.SUM: ("TURNOVER", "total {field}{where} of {value} for this {entity} in {window}"),
    FeatureKind.MEAN: ("USUAL_LEVEL", "average {field}{where} of this {entity} in {window} is {value}"),
    FeatureKind.STD: ("SPREAD", "{field}{where} of this {entity} varies by {value} in {window}"),
    FeatureKind.MIN: ("SMALLEST", "smallest {field} of this {entity} in {window} is {value}"),
    FeatureKind.MAX: ("LARGEST", "largest {field} of this {entity} in {window} is {value}"),
    FeatureKind.DISTINCT: ("VARIETY", "{value} different {fields}{where} of this {entity} in {window}"),
    FeatureKind.RATIO: ("UNUSUAL_AMOUNT", "{field} is {times} the average of this {entity} ({window})"),
    FeatureKind.ZSCORE: ("UNUSUAL_AMOUNT", "{field} unlike what is usual for this {entity} ({window})"),
    FeatureKind.SHARE: ("HABIT", "{percent} of the payments of this {entity}{where} in {window}"),
    FeatureKind.LABEL_COUNT: ("FRAUD_HISTORY", "{value} confirmed fraud{s} of this {entity} in {window}"),
    FeatureKind.LABEL_RATE: (
        "FRAUD_HISTORY",
        "{percent} of the payments of this {entity} in {window} were confirmed fraud",
    ),
    FeatureKind.HOUR_SHARE: ("UNUSUAL_HOUR", "{percent} of the payments of this {entity} are at this hour"),
    FeatureKind.SINCE_LAST: ("PACE", "{duration} since {nth} payment of this {entity}"),
    FeatureKind.SINCE_FIRST: ("ACQUAINTANCE", "{duration} since this {entity} was first seen"),
    FeatureKind.IS_NEW: ("FIRST_TIME", "{field} is {new} to this {entity}"),
    FeatureKind.DISTANCE: ("PLACE", "{whole} km from the previous payment of this {entity}"),
    FeatureKind.SPEED: ("PLACE", "{whole} km/h from the previous payment of this {entity}"),
    FeatureKind.PREVIOUS: ("RECENT_HISTORY", "{field} of {nth} payment of this {entity} was {value}"),
    FeatureKind.IS_SAME: ("RECENT_HISTORY", "{field} is {same} since {nth} payment of this {entity}"),
}
_SIGNAL: Final = {
    "component_id": ("NETWORK", "the network of this {subject}"),
    "component_size": ("NETWORK", "the network of this {subject} has {value} member{s}"),
    "component_of": ("NETWORK", "the network of this {subject} has {value} of the kind {of}"),
    "linked_seconds": ("ACQUAINTANCE", "{duration} since this {subject} became linked to anything"),
    "degree": ("NETWORK", "this {subject} is linked to {value} other{s}"),
    "degree_damped": ("NETWORK", "this {subject} is linked to many others"),
    "hubs": ("NETWORK", "{value} ids of this payment are shared by too many to join anybody"),
    "shared": ("SHARED", "{value} use this {of}{window}"),
    "fraud_neighbours": ("FRAUD_NEARBY", "{value} direct neighbour{s} of this {subject} had confirmed fraud"),
    "fraud_neighbours_two_hops": ("FRAUD_NEARBY", "{value} neighbours' neighbours had confirmed fraud"),
    "fraud_distance": ("FRAUD_NEARBY", "confirmed fraud is {value} step{s} from this {subject}"),
    "fraud_nearness": ("FRAUD_NEARBY", "confirmed fraud is close to this {subject}"),
    "pair_is_new": ("FIRST_TIME", "payer and payee are {new} to each other"),
    "pair_payments": ("ACQUAINTANCE", "{value} payment{s} of this payer to this payee{window}"),
    "paid_back": ("FAN", "{value} payment{s} of this payee to this payer{window}"),
    "new_payees": ("FIRST_TIME", "{value} payee{s} new to this payer{window}"),
    "new_payers": ("FIRST_TIME", "{value} payer{s} new to this payer{window}"),
    "payee_new_payers": ("FIRST_TIME", "{value} payer{s} new to this payee{window}"),
    "payee_new_payees": ("FIRST_TIME", "{value} payee{s} new to this payee{window}"),
    "fan_out": ("FAN", "this payer paid {value} payee{s}{window}"),
    "fan_in": ("FAN", "this payer was paid by {value} payer{s}{window}"),
    "payee_fan_in": ("FAN", "this payee was paid by {value} payer{s}{window}"),
    "payee_fan_out": ("FAN", "this payee paid {value} payee{s}{window}"),
    "pass_through": ("PASS_THROUGH", "this payer paid out {times} what came in{window}"),
    "seconds_since_income": ("PASS_THROUGH", "{duration} since money came in for this payer"),
    "income": ("PASS_THROUGH", "{value} came in for this payer{window}"),
    "incomes": ("PASS_THROUGH", "{value} payment{s} came in for this payer{window}"),
    "payee_outlay": ("PASS_THROUGH", "this payee paid out {value}{window}"),
    "payee_outlays": ("PASS_THROUGH", "this payee made {value} payment{s}{window}"),
    "income_ratio": ("PASS_THROUGH", "the amount is {times} what came in for this payer last"),
    "income_match": ("PASS_THROUGH", "the amount is close to one that came in for this payer"),
    "cycle_length": ("LAYERING", "this payment closes a cycle of {value} payment{s}"),
    "scatter_gather": ("LAYERING", "one source reached this payee over {value} other{s}"),
    "gather_scatter": ("LAYERING", "this payer gathered from, and paid out to, {value} other{s}"),
    "bipartite": ("LAYERING", "{value} other payers of this payee share a further payee with this payer"),
    "common_payees": ("LAYERING", "{value} other payees of this payer share a payee with this payee"),
    "layering_paid": ("LAYERING", "{value} point{s} of layering in what this payer paid{window}"),
    "layering_received": ("LAYERING", "{value} point{s} of layering in what came in for this payer{window}"),
    "payee_layering_received": (
        "LAYERING",
        "{value} point{s} of layering in what came in for this payee{window}",
    ),
    "payee_layering_paid": ("LAYERING", "{value} point{s} of layering in what this payee paid{window}"),
    "chain_length": ("LAYERING", "the money moved on {value} time{s} in a row"),
    "new_chain_length": (
        "LAYERING",
        "the money moved on {value} time{s} in a row between ends that were new to each other",
    ),
}
"""Of the graph's signals: topic and what the analyst reads."""
_CUSTOMER: Final = {
    "FREQUENCY": "There were more payments than usual in a short time.",
    "TURNOVER": "More was spent than usual in a short time.",
    "USUAL_LEVEL": "The payment does not fit the usual amounts.",
    "SPREAD": "The payment does not fit the usual amounts.",
    "SMALLEST": "The payment does not fit the usual amounts.",
    "LARGEST": "The payment does not fit the usual amounts.",
    "UNUSUAL_AMOUNT": "The amount is unusual.",
    "AMOUNT": "The amount is unusual.",
    "VARIETY": "There was more variety than usual in a short time.",
    "HABIT": "The payment does not fit the usual habits.",
    "UNUSUAL_HOUR": "The time of day is unusual.",
    "PACE": "The payment came unusually soon after another one.",
    "ACQUAINTANCE": "The payment was made with something that is new to us.",
    "FIRST_TIME": "The payment was made in a way that is new to us.",
    "PLACE": "The place of the payment is unusual.",
    "RECENT_HISTORY": "The payment does not fit those before it.",
}
_OTHERWISE: Final = "The payment differs from what is usual."
_EVENT: Final = {
    "amount": ("AMOUNT", "an amount that raises the risk"),
    "amount_minor": ("AMOUNT", "an amount that raises the risk"),
    "cents": ("AMOUNT", "an amount with cents that raise the risk"),
    "hour": ("UNUSUAL_HOUR", "an hour of the day that raises the risk"),
    "weekday": ("UNUSUAL_HOUR", "a day of the week that raises the risk"),
    "lat": ("PLACE", "a place that raises the risk"),
    "lon": ("PLACE", "a place that raises the risk"),
}


def reason_texts(
    inputs: Sequence[str], spec: FeatureSpec, own: Mapping[str, ReasonText]
) -> dict[str, ReasonText]:
    """Code and texts for each input; `own` ones first.

    >>> from ringfence.features.spec import entity
    >>> spec = FeatureSpec.of(entity("card").count("1h"))
    >>> reason_texts(["card.count_1h"], spec, {})["card.count_1h"].analyst
    '{card.count_1h} payment{card.count_1h:s} of this card in 1 hour'
    """
    known = {feature.name: of_feature(feature) for feature in spec.features if feature.name in inputs}
    if spec.graph:
        known |= {signal.name: of_signal(signal, spec.graph.subject) for signal in spec.graph.signals}
    return {name: own.get(name) or known.get(name) or of_event(name) for name in inputs}


def texts_of(manifest: Manifest) -> dict[str, ReasonText]:
    """Code and texts of each input of a model, over the features that it was trained with."""
    spec = FeatureSpec.from_json(json.dumps(manifest.spec)) if manifest.spec else FeatureSpec((), ())
    return reason_texts(manifest.inputs, spec, manifest.reasons)


def spoken(
    codes: Iterable[str],
    factors: Iterable[tuple[str, float]],
    texts: Mapping[str, ReasonText],
    known: Callable[[str], bool] = lambda _input: True,
) -> list[ReasonText]:
    """The texts behind those `codes` of a decision that no rule gave: of the model's strongest input each.

    An input that is not `known` has no value to speak of: it is left out, and where nothing else speaks the
    probability does.

    >>> text = ReasonText("MODEL_AMOUNT", "the amount", "The amount is unusual.")
    >>> [why.analyst for why in spoken(["MODEL_AMOUNT"], [("amount", 0.7)], {"amount": text})]
    ['the amount']
    """
    wanted = dict.fromkeys(codes)
    found = []
    for name, weight in factors:
        text = texts.get(name)
        if text is not None and weight > 0 and text.code in wanted and known(name):
            del wanted[text.code]
            found.append(text)
    if not found and any(code.startswith(_OF_MODEL) for code in wanted):
        wanted[MODEL_SCORE] = None
    return [*found, *(_GENERAL[code] for code in wanted if code in _GENERAL)]


_GENERAL: Final = {
    MODEL_SCORE: ReasonText(
        MODEL_SCORE, "{model.probability:percent} fraud probability by the model", _OTHERWISE
    ),
    WITHOUT_PART: ReasonText(
        WITHOUT_PART,
        "A part of the decision was missing, and the policy does not approve without it.",
        "We are checking this payment before it goes through.",
    ),
}


def sentence(text: str) -> str:
    """A text that stands by itself: with a capital and a full stop, as the texts of rules have them.

    >>> sentence("{card.count_1h} payments of this card in 1 hour"), sentence("amount is high. Call them!")
    ('{card.count_1h} payments of this card in 1 hour.', 'Amount is high. Call them!')
    """
    end = "" if not text or text.endswith((".", "!", "?", "…")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def of_feature(feature: Feature) -> ReasonText:
    """Words for a feature, from its definition."""
    topic, text = _KIND[feature.kind]
    ago = f", up to {_long(feature.delay_ms)} ago" if feature.delay_ms else ""
    field = short_field(feature.field).replace("_", " ") if feature.field else ""
    asked = ("times", "percent", "duration", "new", "whole", "same", "s", "ies")
    forms = {form: f"{{{feature.name}:{form}}}" for form in asked}
    ordinal = {2: "nd", 3: "rd"}.get(feature.back, "th")
    analyst = text.format(
        entity=feature.entity.replace("_", " and "),
        field=field,
        fields=f"{field[:-1]}{forms['ies']}" if field.endswith("y") else f"{field}{forms['s']}",
        where=f" ({feature.where.name})" if feature.where else "",
        window=f"{_window(feature)}{ago}" if feature.window_ms else "all time",
        value=f"{{{feature.name}}}",
        nth="the previous" if feature.back == 1 else f"the {feature.back}{ordinal} last",
        **forms,
    )
    return _reason(f"{feature.entity}_{topic}", analyst, topic)


def of_signal(signal: LinkSignal, subject: str) -> ReasonText:
    """Words for a signal of the graph."""
    topic, text = _SIGNAL[signal.what]
    forms = {form: f"{{{signal.name}:{form}}}" for form in ("times", "duration", "new", "s")}
    analyst = text.format(
        subject=subject,
        of=signal.of,
        window=f" in {_long(signal.window_ms)}" if signal.window_ms else "",
        value=f"{{{signal.name}}}",
        **forms,
    )
    return _reason(f"graph_{topic}", analyst, topic)


def _window(feature: Feature) -> str:
    return f"the {feature.calendar.period} so far" if feature.calendar else _long(feature.window_ms)


def _long(duration_ms: int) -> str:
    """A window in words.

    >>> _long(3_600_000), _long(30 * 86_400_000), _long(90_000)
    ('1 hour', '30 days', '90 seconds')
    """
    short = format_duration(duration_ms)
    number, unit = short.rstrip("dhms"), short.lstrip("0123456789.")
    name = {"d": "day", "h": "hour", "m": "minute", "s": "second"}.get(unit)
    return short if name is None else f"{number} {name}{'' if number == '1' else 's'}"


def of_event(name: str) -> ReasonText:
    """Words for a number of the payment itself, or for a text being a certain one."""
    field, is_indicator, value = name.partition("=")
    if is_indicator:
        return _reason(field, f"{_spoken(field)} ({value} or not)", "HABIT")
    topic, analyst = _EVENT.get(name, ("", _spoken(name)))
    return _reason(topic or name, analyst, topic)


def _spoken(name: str) -> str:
    return re.sub(r"[_.]+", " ", name.removeprefix("attributes.").removesuffix("_id"))


def _reason(code: str, analyst: str, topic: str) -> ReasonText:
    plain = re.sub(r"[^A-Z0-9]+", "_", code.upper().removeprefix("ATTRIBUTES.")).strip("_")
    return ReasonText(f"{_OF_MODEL}{plain}", analyst, _CUSTOMER.get(topic, _OTHERWISE))
