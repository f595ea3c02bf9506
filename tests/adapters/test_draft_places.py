"""Drafts of columns that say where somebody is: IP addresses and coordinates, however written."""

import pyarrow as pa
import pytest
from tests.adapters.drafted import NOW, Drafted, table, written

from ringfence.adapters.drafts.trial import tried
from ringfence.events.mapping import parse_mapping
from ringfence.events.values.norms import Norms, norm_of_any


def drafted(tmp_path, header, *cells):
    lines = [f"i{at},2026-05-01 10:{at:02}:00,1{at}.50,{cells[at % len(cells)]}" for at in range(12)]
    return Drafted(written(tmp_path, "\n".join([f"id,date,amount,{header}", *lines, ""])))


def read(found):
    trial = tried(str(found.path), parse_mapping(found.text, "some"), NOW, None)
    return trial.payments, trial.refused.total()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("3232235777", "192.168.1.1"),
        ("-1062731519", "192.168.1.1"),
        ("0xC0A80101", "192.168.1.1"),
        ("1.2.3.4:443", "1.2.3.4"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("1.2.3.4/32", "1.2.3.4"),
        ("2001:DB8::1/128", "2001:db8::1"),
        ('"1.2.3.4, 10.0.0.1"', "1.2.3.4"),
    ],
)
def test_addresses_are_read_as_they_are_written(tmp_path, text, stored):
    """They filled no field, and nothing said so."""
    found = drafted(tmp_path, "ip_address", text)
    assert found.values["ip"] == (stored,)
    norms, bare = Norms(), text.strip('"')
    assert norms.of("ip", bare) == stored
    assert norms.column("ip", pa.array([bare, "9.9.9.9"])).to_pylist() == [stored, "9.9.9.9"]


def test_addresses_that_are_numbers_of_parquet_are_read(tmp_path):
    columns = {
        "id": ["a", "b"],
        "date": ["2026-05-01", "2026-05-02"],
        "amount": [1.5, 2.5],
        "client_ip": [3232235777, None],
    }
    assert Drafted(table(tmp_path, columns)).values["ip"] == ("192.168.1.1",)


@pytest.mark.parametrize("text", ["1.2.3.0/24", "203.0.113.x", "ip-1-2-3-4", "12"])
def test_what_is_no_whole_address_is_told(tmp_path, text):
    found = drafted(tmp_path, "ip_address", text)
    assert "ip" not in found.fields
    assert f"ip_address holds no whole IP addresses ({text})" in found.said


def test_a_number_that_nobody_calls_an_address_is_none():
    assert norm_of_any("3232235777") == "3232235777"


@pytest.mark.parametrize(
    ("lat", "lon", "stored"),
    [
        ('"52,52"', '"13,4"', ("52.52", "13.4")),
        ("33.86S", "151.2E", ("-33.86", "151.2")),
        ("N52.52", "W70.5", ("52.52", "-70.5")),
        ("52.52\u00b0", "13.4\u00b0", ("52.52", "13.4")),
        ('"52\u00b031\'12"" N"', '"13\u00b024\'18"" E"', ("52.52", "13.405")),
        ("52\u00b0 31.2\u2032 N", "13\u00b0 24.3\u2032 W", ("52.52", "-13.405")),
        ("\u221233.86", "151.2", ("-33.86", "151.2")),
    ],
)
def test_degrees_are_read_as_they_are_written(tmp_path, lat, lon, stored):
    """They became attributes of text, and nothing said so."""
    found = drafted(tmp_path, "lat,lon", f"{lat},{lon}", "n/a,-")
    assert (found.values["lat"], found.values["lon"]) == ((stored[0],), (stored[1],))
    assert read(found) == (12, 0)


@pytest.mark.parametrize("name", ["location", "latlng", "gps", "Koordinaten"])
@pytest.mark.parametrize(
    "text",
    ["52.52,13.4", "52.52 13.4", "(52.52, 13.4)", "52,52; 13,4", "POINT(13.4 52.52)", "13.4E 52.52N"],
)
def test_latitude_and_longitude_in_one_column_are_parted(tmp_path, name, text):
    found = drafted(tmp_path, name, f'"{text}"')
    assert (found.values["lat"], found.values["lon"]) == (("52.52",), ("13.4",))
    assert "read as latitude 52.52 and longitude 13.4" in found.said


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [
        ("lat,lon", "525200000,134000000", "lat holds values that are no degrees up to 90 (525200000)"),
        ("lat,lon", "u33db,13.4", "lat holds values that are no degrees up to 90 (u33db)"),
    ],
)
def test_coordinates_that_cannot_be_read_are_told(tmp_path, header, cells, said):
    found = drafted(tmp_path, header, cells)
    assert "lat" not in found.fields
    assert said in found.said


def test_a_place_that_is_no_pair_stays_text(tmp_path):
    found = drafted(tmp_path, "location", '"Berlin, DE"')
    assert found.fields.keys().isdisjoint({"lat", "lon"})
