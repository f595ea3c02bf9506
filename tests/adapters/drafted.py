"""Drafts taken apart, for the tests of them."""

import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.adapters.drafts import draft_mapping
from ringfence.events.mapping import parse_mapping

CASES = Path(__file__).parent / "cases"
NOW = 1_785_000_000_000  # 2026-07-25
CARD = "4111111111111111"


class Drafted:
    """A draft, taken apart."""

    def __init__(self, path, **answers):
        self.path = path
        made = draft_mapping(str(path), "some", now_ms=NOW, answers=answers)
        parse_mapping(made.text, "some")
        self.text, self.refused, self.rows = made.text, made.refused, made.rows
        self.top = tomllib.loads(made.text)
        record = self.top["records"][0]
        self.fields, self.attributes = record["fields"], record.get("attributes", {})
        self.label = record.get("label")
        self.values = {one.field: one.values for one in made.choices}
        self.runner_up = {one.field: one.runner_up for one in made.choices}
        self.questions = {one.key: one for one in made.questions}
        self.said = "\n".join([*made.remarks, *(one.told for one in made.questions)])

    @property
    def times(self):
        return [value.removesuffix("Z") for value in self.values["event_time"]]


def written(folder, text, name="some.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def table(folder, columns):
    pq.write_table(pa.table(columns), folder / "some.parquet")
    return folder / "some.parquet"
