"""A suspicious-activity report for people: the same facts as its XML, laid out on A4."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FONT: Final = "Vera"  # comes with the library, and has the letters of Europe
_HEAD: Final = (
    ("Case", "entity_reference"),
    ("Reporting entity", "rentity_id"),
    ("Kind of report", "report_code"),
    ("Made on", "submission_date"),
    ("Made by", "reporting_person/last_name"),
    ("Action taken", "action"),
)


def report_pdf(report: bytes) -> bytes:
    """The PDF of a report that `cases.report.report_xml` made; the same bytes for the same report.

    `InputError` where the library is not installed.
    """
    try:
        from reportlab.lib import colors, pagesizes, styles  # noqa: PLC0415 (only reports need it)
        from reportlab.pdfbase import pdfmetrics, ttfonts  # noqa: PLC0415 (likewise)
        from reportlab.platypus import (  # noqa: PLC0415 (likewise)
            Paragraph,
            SimpleDocTemplate,
            Spacer,
            Table,
            TableStyle,
        )
    except ImportError as error:
        raise InputError("PDF needs ReportLab: pip install 'ringfence[reports]'") from error
    pdfmetrics.registerFont(ttfonts.TTFont(_FONT, "Vera.ttf"))
    root = ET.fromstring(report)  # noqa: S314 (we made it ourselves)
    body = styles.ParagraphStyle("body", fontName=_FONT, fontSize=9, leading=13)
    title = styles.ParagraphStyle("title", parent=body, fontSize=15, leading=22)
    head = styles.ParagraphStyle("head", parent=body, fontSize=11, leading=18)

    def line(text: str, style: Any = body) -> Any:
        return Paragraph(escape(text).replace("\n", "<br/>"), style)

    grid = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    facts = [[line(name), line(root.findtext(path) or "–")] for name, path in _HEAD]
    indicators = ", ".join(one.text or "" for one in root.iterfind("report_indicators/indicator"))
    rows = [[line(word) for word in ("Payment", "Date", "Amount", "Facts")]]
    rows += [[line(cell) for cell in _row(one)] for one in root.iterfind("transaction")]
    story = [
        line("Suspicious-activity report", title),
        Table(facts, [110, 390], style=grid),
        Spacer(0, 8),
        line("Reason", head),
        line(root.findtext("reason") or "–"),
        line("Indicators", head),
        line(indicators or "–"),
        line("Payments", head),
        Table(rows, [110, 100, 90, 200], style=grid, repeatRows=1),
    ]
    out = io.BytesIO()
    name = f"Report of case {root.findtext('entity_reference')}"
    SimpleDocTemplate(out, pagesize=pagesizes.A4, title=name, invariant=1, margin=48).build(story)
    return out.getvalue()


def _row(transaction: ET.Element) -> Iterator[str]:
    """Id, date, amount with its currency, and whatever else the report says of a payment."""
    yield transaction.findtext("transactionnumber") or "–"
    yield transaction.findtext("date_transaction") or "–"
    foreign = transaction.find(".//from_foreign_currency")
    if foreign is not None:
        yield " ".join(one.text or "" for one in foreign)
    else:
        yield transaction.findtext("amount_local") or "–"
    said = ("transactionnumber", "date_transaction", "amount_local")
    parts = [
        f"{one.tag.replace('_', ' ')}: {one.text.strip()}"
        for one in transaction.iter()
        if one.text and one.text.strip() and one.tag not in said and not one.tag.startswith("foreign_")
    ]
    yield "\n".join(parts)
