"""What became of payments, as networks and providers write it: shipped mappings link it to the payment."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from tests.adapters.exports import Outcome, case


def shipped(name):
    return (files("ringfence.events.mappings") / f"{name}.toml").read_text("utf-8")


ISO = {"DE2": "4111111111111111", "DE3": "000000", "DE49": "978", "DE14": "2712"}


def iso(mti, number, amount, reference=1, original=None, **more):
    found = ISO | {
        "MTI": mti,
        "DE4": f"{amount:012}",
        "DE7": f"0501100{number:03}",
        "DE11": f"{number:06}",
    }
    found["DE37"] = f"51211000{reference:04}"
    if original:
        found["DE90"] = f"0100{original:06}0501100000" + "0" * 22
    return found | more


def actions(found):
    """(payment, action, minor units) in order."""
    rows = found.rows
    return [(row["transaction_id"], row["action"], row["amount_minor"]) for row in rows if row["kind"] == 6]


def payments(found):
    return [row["transaction_id"] for row in found.rows if row["kind"] == 0]


def read(tmp_path, name, records):
    path = tmp_path / "in.ndjson"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Outcome(path, shipped(name))


def test_iso8583_links_by_the_original_that_a_message_names(tmp_path):
    found = read(
        tmp_path,
        "iso8583",
        [
            iso("0100", 1, 10_000),
            iso("0220", 2, 4_000, original=1),
            iso("0220", 3, 5_000, original=1),
            iso("0420", 4, 1_000, original=1),
            iso("0421", 4, 1_000, original=1),
            iso("0200", 5, 2_500, 2),
            iso("0200", 6, 700, 2, original=5, DE3="200000"),
            iso("0422", 7, 1_800, 2, original=5, DE39="83"),
            iso("0430", 8, 1_800, 2),
        ],
    )
    first, second = "512110000001|000001", "512110000002|000005"
    assert payments(found) == [first, second]
    assert actions(found) == [
        (first, "capture", 4_000),
        (first, "capture", 5_000),
        (first, "reversal", 1_000),
        (first, "reversal", 1_000),
        (second, "capture", 2_500),
        (second, "refund", 700),
        (second, "chargeback", 1_800),
    ]
    ids = [row["event_id"] for row in found.rows if row.get("action") == "reversal"]
    assert ids[0] == ids[1]  # the repeat of a message is the message
    assert (found.bad, found.skipped) == ([], 1)


def test_a_reversal_without_an_original_keeps_its_own_numbers():
    found = Outcome(case("iso8583/in.ndjson"), shipped("iso8583"))
    assert actions(found) == [("512110000001|000003", "reversal", 12_300)]
    assert len(payments(found)) == 2


@pytest.mark.parametrize(
    ("name", "root", "amount", "identity", "action"),
    [
        ("pacs004", "PmtRtr", "RtrdIntrBkSttlmAmt", "RtrId", "refund"),
        ("pacs007", "FIToFIPmtRvsl", "RvsdIntrBkSttlmAmt", "RvslId", "reversal"),
    ],
)
def test_iso20022_returns_and_reversals_name_their_transfer(tmp_path, name, root, amount, identity, action):
    transfers = [
        {identity: "R1", "OrgnlEndToEndId": "E0", amount: {"Amt": {"Amt": 20.89, "Ccy": "USD"}}},
        {
            identity: "R2",
            "OrgnlUETR": "u-1",
            "OrgnlEndToEndId": "E1",
            amount: {"#text": "7.5", "@Ccy": "EUR"},
        },
    ]
    record = {root: {"GrpHdr": {"MsgId": "M", "CreDtTm": "2025-05-02T10:00:00.000Z"}, "TxInf": transfers}}
    found = read(tmp_path, name, [record])
    assert actions(found) == [("E0", action, 2_089), ("u-1", action, 750)]
    assert found.bad == []


def test_stripes_refunds_and_disputes_belong_to_their_charge(tmp_path):
    charge = {"id": "ch_1", "object": "charge", "amount": 5_000, "currency": "eur", "created": 1_714_550_400}
    found = read(
        tmp_path,
        "stripe-api",
        [
            charge | {"captured": True, "amount_captured": 4_500, "charge": None, "reason": None},
            charge | {"id": "re_1", "object": "refund", "amount": 500, "charge": "ch_1", "reason": None},
            charge
            | {"id": "dp_1", "object": "dispute", "amount": 4_000, "charge": "ch_1"}
            | {"reason": "fraudulent"},
        ],
    )
    assert payments(found) == ["ch_1"]
    assert actions(found) == [
        ("ch_1", "capture", 4_500),
        ("ch_1", "refund", 500),
        ("ch_1", "chargeback", 4_000),
    ]
    assert [row["transaction_id"] for row in found.labels] == ["ch_1"]
    assert found.bad == []
