"""What the relational store remembers of dimensions: an upsert that is left out changes nothing."""

from contextlib import suppress

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ringfence.adapters.relational.known_rows import KnownRows

PORTIONS = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=3), max_size=4
)


def rows(pairs):
    """The last value of each key, as a portion has it."""
    last = dict(pairs)
    return pa.table(
        {"key": pa.array(list(last), pa.string()), "value": pa.array(list(last.values()), pa.string())}
    )


@given(st.lists(st.tuples(PORTIONS, st.booleans()), max_size=5))
def test_what_is_left_out_stands_there_already(transactions):
    """Several portions a transaction, and transactions that are rolled back."""
    known, table = KnownRows(most=3), {}
    for portions, ends_well in transactions:
        before = dict(table)
        with suppress(ZeroDivisionError), known.kept():
            for pairs in portions:
                for row in known.new_of("cards", rows(pairs)).to_pylist():
                    table[row["key"]] = row["value"]
                assert table.items() >= dict(pairs).items()
            assert 1 / ends_well
        table = table if ends_well else before
