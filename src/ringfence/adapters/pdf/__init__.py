"""Suspicious-activity reports as PDF, by ReportLab."""

from ringfence.adapters.pdf.report import report_pdf

__all__ = ["report_pdf"]
