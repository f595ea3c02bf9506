"""The page on the language of mappings has every key."""

from pathlib import Path

import msgspec
import pytest

from ringfence.events.values.vocabulary import FieldSource, LabelColumn, Layout, MappedRecord, Mapping

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "mapping-language.md"


@pytest.mark.parametrize("struct", [Mapping, Layout, MappedRecord, LabelColumn, FieldSource])
def test_every_key_is_on_the_page(struct):
    page = PAGE.read_text("utf-8")
    keys = {field.name for field in msgspec.structs.fields(struct)} - {"file", "records"}
    assert {key for key in keys if f"`{key}`" not in page and f"`{key} = " not in page} == set()
