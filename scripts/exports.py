"""Writes docs/howto/exports.md: what becomes of each export of tests/adapters/cases. A test checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ringfence.adapters.drafts import draft_mapping
from ringfence.adapters.drafts.trial import MappingTrial, tried
from ringfence.adapters.files import sniff
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping, parse_mapping

ROOT: Final = Path(__file__).parent.parent
CASES: Final = ROOT / "tests" / "adapters" / "cases"
PAGE: Final = ROOT / "docs" / "howto" / "exports.md"
NOW_MS: Final = 1_785_000_000_000  # 2026-07-25: the page is the same on every day

SHOWN: Final = {
    "Known formats": {
        "Stripe, CSV export of payments": "stripe-refunded/in.csv",
        "Stripe, charges of the API": "stripe-api-minor/in.ndjson",
        "Adyen, settlement details": "adyen/in.csv",
        "PayPal, activity download": "paypal/in.csv",
        "Amazon Fraud Detector, event data": "fraud-detector/in.csv",
        "PaySim": "paysim/in.csv",
        "TabFormer": "tabformer/in.csv",
        "BankSim": "banksim/in.csv",
        "Open Banking UK, transactions": "nested-json/in.ndjson",
        "Open Banking UK, whole responses": "responses/open-banking-uk.json",
        "Berlin Group, transactions": "nested-json/bg.ndjson",
        "Berlin Group, whole responses": "responses/berlin-group.json",
        "chargebacks and fraud reports": "labels/in.csv",
        "ISO 20022 pacs.008 as JSON": "pacs008/in.ndjson",
        "ISO 20022 pacs.004, returned transfers": "pacs004/in.ndjson",
        "ISO 20022 pacs.007, reversed transfers": "pacs007/in.ndjson",
        "ISO 20022 pain.001 as JSON": "pain001/in.json",
        "ISO 8583 as JSON, a masked card number among them": "iso8583/in.ndjson",
    },
    "Amounts": {
        "`1,500` and nothing else: thousands": "thousands-only/in2.csv",
        "`1,500.00`": "thousands-only/in3.csv",
        "`3.000` in a German file": "thousands-only/in.csv",
        "`+50,00`, `-14,99`, `12,34 €`, and one `12.34`": "amount-spellings/comma.csv",
        "`$400.00`, `($30.00)`, debits and credits in a column": "parens/in.csv",
        "`Money Out` and `Money In`": "in-and-out/in.csv",
        "`1.25E+3`": "amounts-written/exponent.csv",
        "`12.345` and no currency": "amounts-written/three-decimals.csv",
    },
    "Times": {
        "date and time in two columns": "paypal/datetime.csv",
        "dates and clocks such as `2/8/16` and `143207`": "inr-date-time/in.csv",
        "days of a spreadsheet: `45292.4375`": "excel-serial/in.csv",
        "years of two digits": "two-digit-year/in2.csv",
        "`26/05/01`: a year of two digits first": "two-digit-year/first.csv",
        "days of a spreadsheet, from 1904 perhaps": "excel-serial/since-1904.csv",
        "`26121`: the 121st day of 2026": "written-times/year-day.csv",
        "`20574`: days since 1970": "written-times/days.csv",
        "`令和8年5月1日`: years of Japanese eras": "other-calendars/reiwa.csv",
        "`1405/02/11`: Persian years": "other-calendars/persian.csv",
        "`1447-11-14`: Islamic years": "other-calendars/hijri.csv",
        "`01/05/69`: Thai years of two digits": "other-calendars/thai.csv",
        "microseconds since 1970": "epoch-us-ns/us.csv",
        "nanoseconds since 1970": "epoch-us-ns/ns.csv",
        "names of zones, in the hour that comes twice": "tz-abbrev/in.csv",
        "`Oct 26, 2025 01:30:00 AM PDT`": "tz-abbrev/in2.csv",
        "`BST`, of Britain or of Bangladesh": "written-times/several-zones.csv",
        "`01MAY2024:10:00:00`": "written-times/sas.csv",
        "`05/22/2024 10:00 p.m.`": "written-times/half-days.csv",
        "`2024-05-01 24:00:00`": "written-times/midnight.csv",
        "`1. Mai 2024, 10:00 Uhr`": "written-times/german.csv",
        "`1er août 2024 à 10:00`": "written-times/french.csv",
        "`Wed May 01 2024 10:00:00 GMT+0200 (...)`, as browsers write it": "written-times/browser.csv",
        "`/Date(1714557600000)/`, as .NET writes it": "written-times/dotnet.csv",
        "dates of opening and of expiry before the payment's own": "wrong-column/in.csv",
    },
    "Headers, footers, encodings": {
        "headers with blanks": "headers-with-spaces/space.csv",
        "headers in CamelCase": "headers-with-spaces/camel.csv",
        "lines before the header, Windows-1252, a bank statement": "preamble-dkb/in.csv",
        "no header, card numbers in the first line": "headerless-pan/in.csv",
        "the header again on each page of a report": "header-again/in.csv",
        "the header again, in capitals": "header-again/capitals.csv",
        "a row of units below the header": "units-row/in.csv",
        "a line of totals at the end": "trailer-row/in.csv",
        "sums at the end that nothing names": "trailer-row/sums.csv",
        "`Total,78.00` at the end, and payments at a merchant named Total": "trailer-row/short.csv",
        "`2 rows exported` at the end": "footer-loses-id/blankfooter.csv",
        "one unquoted comma in a text": "footer-loses-id/middle.csv",
    },
    "Ids": {
        "no id at all, a file a month": "monthly-exports/jun.csv",
        "`4.11111E+15`: rounded by a spreadsheet": "sci-ids/in.csv",
        '`="0012345"`: text as a spreadsheet writes it': "spreadsheet-ids/in.csv",
        "`'0012`: text as a spreadsheet marks it": "apostrophe-ids/in.csv",
        "`101.0` and `1e15`: ids that became decimal numbers": "spreadsheet-ids/floats.ndjson",
        "`card.fingerprint`, and accounts beside the payments": "nested-json/fingerprint.json",
        "`NULL` where nothing is known": "placeholder-ids/NULL.csv",
        "`0.0.0.0` where nothing is known": "placeholder-ids/ip0.csv",
        "`—` of Windows-1252 where nothing is known": "placeholder-ids/dash.csv",
        "a row for each step of a payment, as Checkout.com reports": "later-steps/in.csv",
        "card security codes": "cvv/in.ndjson",
    },
}


_ABOUT: Final = """\
Each row is a file of `tests/adapters/cases`, read as `ringfence run FILE` reads
it where a shipped mapping knows its columns, and otherwise by the mapping that
`ringfence sources --sniff FILE --draft NEW.toml` writes with nobody to ask. Times are UTC.
[A stranger's CSV](your-csv.md) goes the way step by step;
[the options of a mapping](sources.md#a-mapping-of-your-own) are another page."""


def page() -> str:
    """The whole page."""
    parts = [
        "# What your export looks like, and what happens",
        "<!-- Made by scripts/exports.py: change the cases or the code, then run it. -->",
        _ABOUT,
    ]
    for title, files in SHOWN.items():
        rows = [_row(looks, file) for looks, file in files.items()]
        head = [
            "| your export | read by | becomes | the first payment, as stored | said |",
            "|---|---|---|---|---|",
        ]
        parts += [f"## {title}", "\n".join([*head, *rows])]
    return "\n\n".join(parts) + "\n"


def _row(looks: str, name: str) -> str:
    file = str(CASES / name)
    known = _known(file)
    said: list[str] = []
    try:
        if known is not None:
            trial = tried(file, load_mapping(known), NOW_MS, None)
            said = trial.told()
        else:
            made = draft_mapping(file, "draft", now_ms=NOW_MS)
            trial = tried(file, parse_mapping(made.text, "draft"), NOW_MS, None)
            said = [*(one.told for one in made.questions), *(one for one in made.remarks if _matters(one))]
    except InputError as error:
        return _cells(looks, "nothing", "no mapping is written", "", str(error).replace(file, name))
    return _cells(
        looks, f"`{known}`" if known else "a draft", _becomes(trial), _first(trial), "<br>".join(said)
    )


def _known(file: str) -> str | None:
    try:
        return sniff(file).mapping
    except InputError:  # it has no header that could be known
        return None


def _matters(remark: str) -> bool:
    """Remarks that stand beside nearly every draft are left to the terminal."""
    return not remark.startswith(("no column seems to say which", "no column names a currency")) and (
        "names no time zone" not in remark
    )


def _becomes(trial: MappingTrial) -> str:
    counts = {
        "payment" + "s" * (trial.payments != 1): trial.payments,
        "label" + "s" * (trial.labels != 1): trial.labels,
        "action" + "s" * (trial.actions != 1): trial.actions,
        "skipped": trial.skipped,
        "in quarantine": trial.refused.total(),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _first(trial: MappingTrial) -> str:
    shown = ("transaction_id", "event_time", "amount", "card_id", "card_number")
    values = [trial.values[name][0] for name in shown if trial.values.get(name)]
    return ", ".join(f"`{value}`" for value in values if not value.startswith(("row-", "tok_")))


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
