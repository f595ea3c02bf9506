"""A suspicious-activity report of a case: XML in the shape of goAML's, the format that most FIUs take.

The elements and their order are those of goAML's `report` (schema 5); codes that an authority assigns
(`rentity_id`, `report_code` ...) come from the policy.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ringfence.cases.errors import CaseStateError
from ringfence.cases.model import CaseState, Disposition, Noted
from ringfence.cases.words import FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.cases.model import Case, CaseEvent, Payment
    from ringfence.cases.policy import Reporting

_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST: Final = 4000  # characters of goAML's free texts


def report_xml(
    case: Case,
    payments: Sequence[Payment],
    events: Sequence[CaseEvent],
    reporting: Reporting,
    reporter: str,
    now_ms: int,
    named: Callable[[str], str] = str,
) -> bytes:
    """The report as UTF-8 XML; `CaseStateError` unless the case is closed as confirmed fraud.

    `named` makes people's names of the signatures of their keys, which say nothing outside this house.
    """
    finding = case.finding
    if case.state is not CaseState.CLOSED or finding is None:
        raise CaseStateError(
            f"case {case.id} is {case.state}: close it as confirmed fraud before you report it"
        )
    if finding.disposition is not Disposition.CONFIRMED_FRAUD:
        raise CaseStateError(f"case {case.id} was closed as {FOUND[finding.disposition]}: nothing to report")
    root = Element("report")
    _text(root, "rentity_id", reporting.rentity_id)
    _text(root, "submission_code", "E")
    _text(root, "report_code", reporting.report_code)
    _text(root, "entity_reference", case.id)
    _text(root, "submission_date", _moment(now_ms))
    _text(root, "currency_code_local", reporting.currency)
    person = SubElement(root, "reporting_person")
    _text(person, "last_name", named(reporter))
    _text(root, "reason", _reason(payments, events, reporting))
    _text(root, "action", f"closed by {named(finding.by)} on {_moment(finding.at_ms)}")
    for payment in sorted(payments, key=lambda one: (one.event_time_ms, one.transaction_id)):
        _transaction(root, payment, reporting)
    indicators = SubElement(root, "report_indicators")
    for word in (*([finding.typology] if finding.typology else []), *case.reasons):
        _text(indicators, "indicator", word)
    indent(root)
    found: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return found


def _transaction(root: Element, payment: Payment, reporting: Reporting) -> None:
    one = SubElement(root, "transaction")
    _text(one, "transactionnumber", payment.transaction_id)
    _text(one, "internal_ref_number", str(payment.offset))
    _text(one, "date_transaction", _moment(payment.event_time_ms))
    _text(one, "transmode_code", reporting.transmode_code)
    currency = payment.currency or reporting.currency
    if currency == reporting.currency:
        _text(one, "amount_local", f"{payment.amount:.2f}")
    _text(one, "currency", currency)
    source = SubElement(one, "t_from_my_client")
    _text(source, "from_funds_code", reporting.funds_code)
    if currency != reporting.currency:
        foreign = SubElement(source, "from_foreign_currency")
        _text(foreign, "foreign_currency_code", currency)
        _text(foreign, "foreign_amount", f"{payment.amount:.2f}")
    for kind in ("customer", "account", "card"):
        if kind in payment.entities:
            _text(source, f"{kind}_reference", payment.entities[kind])
    target = SubElement(one, "t_to")
    for kind in ("merchant", "counterparty"):
        if kind in payment.entities:
            _text(target, f"{kind}_reference", payment.entities[kind])
    _text(one, "comments", f"{payment.outcome}, score {payment.score:.0f}: {', '.join(payment.reasons)}")


def _reason(payments: Sequence[Payment], events: Sequence[CaseEvent], reporting: Reporting) -> str:
    totals: dict[str, float] = {}
    for payment in payments:
        currency = payment.currency or reporting.currency
        totals[currency] = totals.get(currency, 0.0) + payment.amount
    amounts = ", ".join(f"{amount:.2f} {currency}" for currency, amount in sorted(totals.items()))
    said = [f"{len(payments)} payments, {amounts} in all."]
    said += [event.change.text for event in events if isinstance(event.change, Noted)]
    return "\n".join(said)[:_LONGEST]


def _text(parent: Element, name: str, value: str) -> None:
    SubElement(parent, name).text = _NO_XML.sub("", value)


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
