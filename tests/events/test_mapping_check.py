"""What is wrong with a mapping is said by key, with the nearest valid key."""

from __future__ import annotations

import pytest

from ringfence.errors import InputError
from ringfence.events.mapping import parse_mapping

GOOD = """
null_values = ["-"]
zone_names = { IST = "+05:30" }
skip = { kind = ["fee"] }
[file]
encoding = "cp1252"
skip_lines = 2
[[records]]
only = { kind = ["sale", "cash"] }
label = { column = "bad", delay = "1d", fraud = ["x"], good = ["y"], unknown = ["z"] }
[records.fields]
transaction_id = { join = ["a", { column = "b", pad = 3 }] }
event_time = { column = "when", format = "%d.%m.%y", zone = "Europe/Zurich" }
amount = { credit = "in", debit = "out", decimal = ",", thousands = "." }
currency = { column = "cur", values = { Euro = "EUR" }, otherwise = "refuse" }
[records.attributes]
x = { column = "x", type = "number" }
"""


def test_all_of_it_is_taken():
    assert parse_mapping(GOOD, "till.toml").name == "till"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("null_values =", "null_value =", "null_value is no key of a mapping (did you mean null_values?)"),
        ("encoding =", "encodng =", "file.encodng is no key of a mapping (did you mean encoding?)"),
        (
            "[records.attributes]",
            "[records.atributes]",
            "records[0].atributes is no key of a mapping (did you mean attributes?)",
        ),
        ("delay =", "dealy =", "records[0].label.dealy is no key of a mapping (did you mean delay?)"),
        (
            "format =",
            "fromat =",
            "records[0].fields.event_time.fromat is no key of a mapping (did you mean format?)",
        ),
        (
            "pad = 3",
            "padd = 3",
            "records[0].fields.transaction_id.join[1].padd is no key of a mapping (did you mean pad?)",
        ),
        ("amount =", "amont =", "no field 'amont' (did you mean amount?)"),
        ("type = ", "tpye = ", "records[0].attributes.x.tpye is no key of a mapping (did you mean type?)"),
        ('"number"', '"numbr"', "records[0].attributes.x.type: Invalid enum value 'numbr'"),
        ("skip_lines = 2", 'skip_lines = "2"', "file.skip_lines: Expected `int`, got `str`"),
        ("pad = 3", 'pad = "3"', "records[0].fields.transaction_id.join[1].pad: Expected `int`, got `str`"),
        ("cp1252", "cp1252x", "file.encoding: no encoding 'cp1252x'"),
        ("+05:30", "Mars", "zone_names.IST: no time zone 'Mars'"),
        ("%d.%m.%y", "epoch_sec", "no format 'epoch_sec' (did you mean epoch_s?)"),
        ("%d.%m.%y", "%d.%m.", 'year = "received"'),
        ("Europe/Zurich", "IST2", "records[0].fields.event_time.zone: no time zone 'IST2'"),
        ('thousands = "."', 'thousands = ","', "thousands and decimal are both ','"),
        ('credit = "in", debit = "out", ', "", "records[0].fields.amount needs one of column"),
        ('credit = "in"', 'column = "in"', "records[0].fields.amount needs one of column"),
        (
            'column = "cur"',
            'column = "cur", sign = "any"',
            "records[0].fields.currency.sign is for an amount alone",
        ),
        ('column = "x"', 'column = "x", zone = "CET"', "records[0].attributes.x.zone is for a time alone"),
        ('values = { Euro = "EUR" }, ', "", "records[0].fields.currency.otherwise needs values"),
        ('"1d"', '"1 day"', "records[0].label.delay: '1 day' is no delay"),
        ("skip_lines = 2", 'columns = ["a", "a"]', "file.columns names 'a' twice"),
        ("skip_lines = 2", 'delimiter = ";;"', "file.delimiter is one ASCII character"),
        ("[[records]]", "[records]", "records: Expected `array`, got `object`"),
    ],
)
def test_each_mistake_is_named(old, new, said):
    assert old in GOOD
    with pytest.raises(InputError) as raised:
        parse_mapping(GOOD.replace(old, new, 1), "till.toml")
    assert str(raised.value).startswith("mapping till.toml")
    assert said in str(raised.value)
