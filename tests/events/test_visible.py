"""What nobody sees is left out of a value alike, however the value came."""

import sys

import pyarrow as pa

from ringfence.events.values.norms import Norms, norm, norm_entities
from ringfence.events.values.visible import trimmed, visible

CODES = (
    *range(0x34000),  # with the surrogates, which no text has, taken out below
    *range(0x34000, 0xE0000, 101),  # nothing is assigned there
    *range(0xE0000, 0xE1000),
    *range(0xE1000, sys.maxunicode + 1, 101),  # nothing but what is private
)


def test_an_id_is_the_same_as_a_column_in_a_list_and_alone():
    """Of every character that is left out of one of them: Arrow, Python and the kernel each know some."""
    around = [
        text
        for code in CODES
        if not 0xD800 <= code < 0xE000
        for text in (f"{chr(code)}shop-12345678", f"shop-{chr(code)}12345678", f"shop-12345678{chr(code)}")
    ]
    written = [text for text in around if visible(text) != text]
    plain = list(map(visible, written))
    assert len(written) > 80
    assert set(plain) == {"shop-12345678"}
    norms, entities = Norms(), {"entity_id": pa.array(written), "entity_type": pa.nulls(len(written))}
    assert norms.column("merchant_id", pa.array(written)).to_pylist() == plain
    assert [norms.of("merchant_id", text) for text in written] == plain
    assert trimmed(pa.array(written)).to_pylist() == plain
    norm_entities(entities)
    assert entities["entity_id"].to_pylist() == plain
    assert [norm("account_id", text) for text in written] == plain
    assert trimmed(pa.array(around)).to_pylist() == list(map(visible, around))
