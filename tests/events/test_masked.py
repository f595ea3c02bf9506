"""Masked card numbers: where a mapping takes them, and what is left of them."""

import pytest
from tests.adapters.exports import Outcome, mapping

from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping
from ringfence.events.privacy.masked import read_masked

WRITTEN = {
    "411111******1111": ("411111******1111", "1111"),
    "4111 11XX XXXX 1111": ("411111******1111", "1111"),
    "41111111-xxxx-1111": ("411111******1111", "1111"),  # no more is kept than a receipt shows
    "3782##########005": (None, "005"),
    "\u2022\u2022\u2022\u2022 1111": (None, "1111"),
    "****": (None, None),
}
CARDS = ["4111111111111111", *WRITTEN, "none of these", "4.11111E+15"]
MASKED = mapping(
    '"at"', '"amount"', 'transaction_id = "id"\ncard_number = { column = "card", masked = true }'
)


def written(path):
    rows = [f"{number},2025-05-01T10:00:00Z,5,{card}\n" for number, card in enumerate(CARDS)]
    path.write_text("id,at,amount,card\n" + "".join(rows))
    return path


@pytest.mark.parametrize("text", WRITTEN)
def test_no_more_is_kept_of_a_masked_number_than_a_receipt_shows(text):
    assert read_masked(text) == WRITTEN[text]


@pytest.mark.parametrize("text", ["4111111111111111", "card-7", "", "*4111111111111111*", "XII"])
def test_what_is_no_masked_number_is_none(text):
    assert read_masked(text) is None


def test_a_mapping_that_says_so_takes_masked_numbers_beside_full_ones_and_refuses_the_rest(tmp_path):
    found = Outcome(written(tmp_path / "cards.csv"), MASKED)
    ids, last4 = found.column("card_id"), found.column("card_last4")
    assert (ids[0][:4], last4[0]) == ("tok_", "1111")
    assert list(zip(ids, last4, strict=True))[1:] == list(WRITTEN.values())
    bins = [shown and shown[:6] for shown, _ in WRITTEN.values()]
    assert found.column("card_bin") == ["411111", *bins]
    assert [reason for _, reason in found.reasons] == ["card_number"] * 2


def test_a_mapping_that_does_not_refuses_them_with_the_remedy(tmp_path):
    found = Outcome(written(tmp_path / "cards.csv"), MASKED.replace(", masked = true", ""))
    assert len(found.rows) == 1
    assert len(found.bad) == len(WRITTEN) + 2
    assert all("masks" in record.message for record in found.bad)


def test_only_a_card_number_can_be_masked():
    with pytest.raises(InputError, match="masked is for a card number alone"):
        parse_mapping(MASKED.replace("card_number =", "card_id ="), "mine.toml")
