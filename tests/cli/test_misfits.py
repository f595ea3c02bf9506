"""Several files of which one is for another mapping: nothing is decided before that is said."""

import pytest

PAYMENTS = "transaction_id,event_time,amount,currency,card_id\n" + "".join(
    f"t{at},2024-05-01T12:0{at}:00Z,1{at}.50,EUR,c{at}\n" for at in range(10)
)
LABELS = "txn,fraud\n" + "".join(f"t{at},{at % 2}\n" for at in range(10))


@pytest.fixture
def folder(project):
    (project / "in").mkdir()
    (project / "in" / "payments.csv").write_text(PAYMENTS)
    (project / "in" / "zz-labels.csv").write_text(LABELS)
    return project / "in"


@pytest.mark.parametrize("order", ["auto", "time", "arrival"])
def test_a_foreign_file_is_refused_before_any_payment_is_decided(ringfence, folder, order):
    """Ten payments were decided, and then the file of labels was refused."""
    ended = ringfence("run", folder, "--order", order)
    assert ended.code == 2
    assert "zz-labels.csv has no column 'transaction_id'" in ended.err
    assert "None of the 2 files was read: leave out" in ended.err
    assert ended.out == ""
    (folder / "zz-labels.csv").unlink()
    assert ringfence("run", folder, "--json").json["transactions"] == 10


def test_how_many_files_do_not_fit_is_told(ringfence, folder):
    (folder / "zz-more.csv").write_text(LABELS)
    assert "(and 1 more like it). None of the 3 files" in ringfence("run", folder).err


def test_what_is_missing_or_empty_costs_the_others_nothing(ringfence, folder):
    (folder / "zz-labels.csv").write_text("")
    ended = ringfence("run", folder, "missing.csv", "--json")
    assert ended.code == 2
    assert ended.json["transactions"] == 10
    assert len(ended.json["unusable"]) == 2
