"""Features of the last events one by one: their names, and what is refused. The oracle has their values."""

import pytest

from ringfence.errors import SpecError
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity

CARD = entity("card")


def test_they_are_named_by_how_far_back_they_look_and_come_back_from_their_text():
    spec = FeatureSpec.of(
        CARD.previous("amount"),
        CARD.previous("attributes.score", back=2),
        CARD.is_same("merchant", back=3),
        CARD.seconds_since_last(),
        CARD.seconds_since_last(back=16),
    )
    assert spec.names == (
        "card.previous_amount",
        "card.previous_score_back_2",
        "card.is_same_merchant_back_3",
        "card.seconds_since_last",
        "card.seconds_since_last_back_16",
    )
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert '"back"' not in CATALOG.to_json()  # digests of before stay


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CARD.previous("amount", back=0), "looks 1 to 16 events back"),
        (lambda: CARD.seconds_since_last(back=17), "looks 1 to 16 events back"),
        (lambda: CARD.previous("merchant"), "no numeric field"),
        (lambda: CARD.is_same("amount"), "no categorical field"),
        (lambda: CARD._make("count", None, "1h", back=2), "looks at no single event"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()
