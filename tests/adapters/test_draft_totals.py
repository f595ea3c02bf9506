"""Lines of totals in a draft, beside payments that begin with the same word."""

import pytest
from tests.adapters.drafted import NOW, Drafted, written

from ringfence.adapters.drafts.trial import tried
from ringfence.events.mapping import parse_mapping

HEAD = "merchant,when,id,amount,currency,card\n"


def stored(found):
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    return trial.payments, trial.refused.total()


def payment(at, merchant):
    return f"{merchant},2026-05-{1 + at % 28:02} 10:{at % 60:02}:00,i{at},1{at % 7}.50,EUR,c{at % 9}\n"


@pytest.mark.parametrize(
    "total", ["Total,,,420.00,,\n", "*Total*,,,420.00,,\n", '"Total","","","4.20","",""\n']
)
def test_payments_at_a_merchant_named_total_stay(tmp_path, total):
    """A subtotal made the pattern "Total,*", which skipped one payment in four without a word."""
    lines = [payment(at, ["Total", "Shell", "Aldi"][at % 3]) + total * (at % 10 == 4) for at in range(60)]
    found = Drafted(written(tmp_path, HEAD + "".join(lines)))
    assert stored(found) == (60, 0)
    assert "lines of totals between the payments are skipped: 6x" in found.said


def test_a_word_between_stars_skips_no_line_that_has_it_elsewhere(tmp_path):
    """The pattern was "*Total*,*"."""
    head = "id,when,merchant,amount,currency,card\n"
    lines = [
        f"i{at},2026-05-{1 + at % 28:02} 10:00:00,{['Total', 'Aldi'][at % 2]},1{at % 7}.50,EUR,c{at % 9}\n"
        + "*Total*,,,420.00,,\n" * (at % 10 == 4)
        for at in range(60)
    ]
    found = Drafted(written(tmp_path, head + "".join(lines)))
    assert stored(found) == (60, 0)


def test_a_last_payment_at_a_merchant_named_total_is_no_footer(tmp_path):
    """It made the same pattern, and all payments at that merchant were skipped."""
    lines = [payment(at, ["Shell", "Aldi", "Total"][at % 3]) for at in range(60)]
    found = Drafted(written(tmp_path, HEAD + "".join(lines)))
    assert stored(found) == (60, 0)
    assert "trailers" not in found.top.get("file", {})


def test_a_total_at_the_end_skips_no_payment_with_its_word(tmp_path):
    lines = [payment(at, ["Shell", "Total"][at % 2]) for at in range(60)]
    found = Drafted(written(tmp_path, HEAD + "".join(lines) + "Total,,,630.00,EUR,\n"))
    assert found.top["file"]["trailers"] == ["Total,,,*,*,"]
    assert stored(found) == (60, 0)


@pytest.mark.parametrize(
    ("total", "pattern"),
    [
        ("Total,630.00\n", "Total,??????"),
        ('"Total","630.00"\n', '"Total?,????????'),
        (",Total,630.00\n", ",Total,??????"),
        ("Total,630.00,,,,\n", "Total,*,,,,"),
    ],
)
def test_a_footer_of_fewer_cells_skips_no_payment_with_its_word(tmp_path, total, pattern):
    """ "Total,*" skipped every second payment."""
    lines = [payment(at, ["Shell", "Total"][at % 2]) for at in range(60)]
    found = Drafted(written(tmp_path, HEAD + "".join(lines) + total))
    assert found.top["file"]["trailers"] == [pattern]
    assert stored(found) == (60, 0)


def test_a_footer_below_ids_may_have_a_sum_of_any_length(tmp_path):
    lines = [f"i{at},Total,2026-05-{1 + at % 28:02} 10:00:00,1{at}.50\n" for at in range(60)]
    found = Drafted(written(tmp_path, "id,merchant,when,amount\n" + "".join(lines) + "Total,630.00\n"))
    assert found.top["file"]["trailers"] == ["Total,*"]
    assert stored(found) == (60, 0)


@pytest.mark.parametrize("total", ["Total,,630.00\n", "Summe,,630.00\n", "Total 630.00\n", "Total: 630.00\n"])
def test_a_total_of_few_columns_skips_no_payment_with_its_word(tmp_path, total):
    merchants = ["Shell", "Total", "Total Wine"]
    lines = [
        f"{merchants[at % 3]},2026-05-{1 + at % 28:02} 10:{at % 60:02}:00,1{at}.50\n" for at in range(60)
    ]
    found = Drafted(written(tmp_path, "merchant,when,amount\n" + "".join(lines) + total))
    assert stored(found) == (60, 0)


def test_a_column_that_nobody_fills_makes_no_payment_a_total(tmp_path):
    """ "Total,*,*,*,," skipped all payments at that merchant."""
    lines = [
        f"{['Shell', 'Total'][at % 2]},2026-05-{1 + at % 28:02} 10:00:00,i{at},1{at}.50,,,\n"
        for at in range(60)
    ]
    found = Drafted(written(tmp_path, "merchant,when,id,amount,note,branch,code\n" + "".join(lines)))
    assert stored(found) == (60, 0)
