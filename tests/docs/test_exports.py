"""The page on exports shows what the program does with the cases."""

import runpy

from .pages import ROOT

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "exports.py"))


def test_the_table_of_exports_is_current():
    """Otherwise: .venv/bin/python scripts/exports.py"""
    assert SCRIPT["PAGE"].read_text("utf-8") == SCRIPT["page"]()


def test_the_table_shows_every_kind_of_case():
    shown = {file.partition("/")[0] for files in SCRIPT["SHOWN"].values() for file in files.values()}
    assert {path.name for path in SCRIPT["CASES"].iterdir()} == shown
