"""What the text of a reason may name: an answer must be able to fill it in."""

import msgspec
import pytest

from ringfence.errors import RuleError
from ringfence.features.catalog import CATALOG
from ringfence.features.spec import FeatureSpec, entity
from ringfence.scoring.rulesets.books import default_book, load_book
from ringfence.scoring.rulesets.reason_texts import check_texts


def book(text, **more):
    rule = {"id": "big", "title": "Big", "when": "amount > 9", "outcome": "review", "reason": "BIG"}
    return load_book(msgspec.json.encode({"rules": [rule | {"analyst": text} | more]}).decode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is {amount}.", r"names {amount}, which is no feature: answers would keep the braces"),
        ("{card.count_1hh} in an hour", r"did you mean card.count_1h"),
        ("{model.score}", r"names {model.score}"),
        ("{typology.nosuch}", r"names {typology.nosuch}"),
        ("{see: the wiki}", r"names {see: the wiki}"),
    ],
)
def test_a_name_that_no_answer_can_fill_in_is_refused_where_it_stands(text, said):
    with pytest.raises(RuleError, match=f"rule 'big': its text {said}" if said.startswith("names") else said):
        check_texts(book(text), CATALOG)
    with pytest.raises(RuleError, match="rule 'big'"):
        check_texts(book("fine", customer=text), CATALOG)


def test_features_typologies_and_the_models_probability_are_filled_in():
    text = "{card.count_1h} {card.seconds_since_last:duration} {model.probability:percent} {}"
    check_texts(book(text), CATALOG)
    named = msgspec.structs.replace(book("{typology.card_testing}"), typologies=default_book().typologies)
    check_texts(named, CATALOG)


def test_texts_of_before_of_archived_rules_and_of_the_shipped_book_stay():
    old = book("It is {amount}.")
    check_texts(old, CATALOG, before=old)
    check_texts(book("It is {amount}.", mode="archived"), CATALOG)
    check_texts(default_book(), CATALOG)
    check_texts(default_book(), FeatureSpec.of(entity("card").count("1h")))
