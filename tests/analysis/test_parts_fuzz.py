"""Any condition can be taken apart, and its parts say what the compiler says."""

from __future__ import annotations

from hypothesis import given, settings
from tests.analysis.test_explain import flat
from tests.scoring.test_expression_duckdb import PARAMETERS, SPEC, columns_of, conditions, ours, row

from ringfence.analysis.condition_parts import Taker, ways
from ringfence.scoring.language.expression import read
from ringfence.scoring.language.names import Names


@settings(max_examples=120, deadline=None)
@given(conditions(3), row)
def test_the_whole_is_what_the_compiler_says_and_every_part_has_values(text, one):
    ([yes], [no]), _ = ours(text, [one])
    part = Taker(columns_of([one]), Names(SPEC)).take(read(text, PARAMETERS))
    assert part.holds is (True if yes else False if no else None)
    for inner in flat(part):
        assert inner.text
        assert inner.kind in ("all", "any", "not", "test")
        assert bool(inner.parts) == (inner.kind != "test")
    assert 0 < len(ways(part, fire=part.holds is not True)) <= 5
