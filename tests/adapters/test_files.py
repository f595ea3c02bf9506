"""Whatever is in a file: good rows become events, each bad one is kept with its reason."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ringfence.adapters.files import read, read_original, sniff
from ringfence.adapters.files.blocks import csv_blocks, record_ends
from ringfence.adapters.files.json_stream import split_values
from ringfence.errors import InputError
from ringfence.events.bad import Reason
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

NOW = 1_750_000_000_000
PAN = "4111111111111111"
TOKENIZER = Tokenizer(b"0123456789abcdef")
HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"


def row(number: int) -> str:
    return f"{number},2018-04-01 00:00:{number % 60:02},c{number},t,1.50,{number % 2}\n"


def line(number: int) -> str:
    return (
        json.dumps({"transaction_id": str(number), "event_time": 1_709_288_100_000, "amount": "1.50"}) + "\n"
    )


def outcome(paths, mapping="handbook", **options):
    """Ids of events, ids of labelled frauds, and (position, reason) of bad records."""
    ids, labels, bad = [], [], []
    names = [str(path) for path in paths] if isinstance(paths, list) else [str(paths)]
    for batch in read(names, load_mapping(mapping), TOKENIZER, NOW, **options):
        ids += batch.events.column("transaction_id").to_pylist()
        labels += batch.labels.column("transaction_id").to_pylist() if batch.labels else []
        bad += batch.bad
        assert batch.total is None or batch.position <= batch.total
    return ids, labels, [(one.position, one.reason) for one in bad]


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("batch_rows", [1, 7, 8192])
def test_csv_rows_become_events_and_labels(tmp_path, batch_rows):
    file = write(tmp_path / "a.csv", HEADER + "".join(map(row, range(40))))
    ids, labels, bad = outcome(file, batch_rows=batch_rows)
    assert ids == [str(number) for number in range(40)]
    assert labels == [str(number) for number in range(1, 40, 2)]
    assert not bad


def test_parquet_csv_and_ndjson_of_the_same_rows_give_the_same_events(tmp_path):
    rows = [
        dict(zip(HEADER.strip().split(","), row(number).strip().split(","), strict=True))
        for number in range(9)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=4)
    write(tmp_path / "a.csv", HEADER + "".join(map(row, range(9))))
    write(tmp_path / "a.ndjson", "\n".join(map(json.dumps, rows)))
    assert outcome(tmp_path / "a.parquet") == outcome(tmp_path / "a.csv") == outcome(tmp_path / "a.ndjson")


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])],
)
def test_compressed_files_are_told_by_their_bytes(tmp_path, pack):
    file = write(tmp_path / "a.csv", pack((HEADER + row(1) + row(2)).encode()))
    assert outcome(file)[0] == ["1", "2"]


def test_a_truncated_gzip_gives_all_rows_before_the_cut_and_says_so(tmp_path):
    whole = gzip.compress("".join(map(line, range(5000))).encode())
    ids, _, bad = outcome(write(tmp_path / "a.ndjson.gz", whole[: len(whole) // 2]), "canonical")
    assert 1000 < len(ids) < 4000
    assert bad == [(len(ids) + 1, Reason.TRUNCATED)]


def test_a_damaged_gzip_is_said_so(tmp_path):
    whole = bytearray(gzip.compress("".join(map(line, range(5000))).encode()))
    whole[len(whole) // 2] ^= 0xFF
    ids, _, bad = outcome(write(tmp_path / "a.ndjson.gz", bytes(whole)), "canonical")
    assert Reason.TRUNCATED in {reason for _, reason in bad}
    assert len(ids) > 1000


def test_a_truncated_parquet_is_an_input_error_that_names_the_file(tmp_path):
    pq.write_table(pa.table({"TX_AMOUNT": list(range(1000))}), tmp_path / "a.parquet")
    file = write(tmp_path / "b.parquet", (tmp_path / "a.parquet").read_bytes()[:-500])
    with pytest.raises(InputError, match=r"b\.parquet.*truncated"):
        outcome(file)


def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path):
    rows = [
        dict(zip(HEADER.strip().split(","), row(number).strip().split(","), strict=True))
        for number in range(300)
    ]
    file = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=100, use_dictionary=False)
    start = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(file.read_bytes())
    data[start : start + 40] = bytes(40)
    ids, _, bad = outcome(write(file, bytes(data)))
    assert ids == [str(number) for number in [*range(100), *range(200, 300)]]
    assert bad == [(101, Reason.TRUNCATED)]


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.parquet"])
def test_an_empty_file_is_an_input_error(tmp_path, name):
    with pytest.raises(InputError, match=name):
        outcome(write(tmp_path / name, b""))


def test_a_header_without_rows_is_no_error(tmp_path):
    assert outcome(write(tmp_path / "a.csv", HEADER)) == ([], [], [])


@pytest.mark.parametrize("path", ["missing.csv", "missing*.csv", "."])
def test_a_missing_source_is_an_input_error_that_names_it(tmp_path, path):
    with pytest.raises(InputError, match=r"missing|holds no"):
        outcome(tmp_path / path)


def test_a_wrong_mapping_is_an_input_error_that_names_a_column(tmp_path):
    with pytest.raises(InputError, match="cc_num"):
        outcome(write(tmp_path / "a.csv", HEADER + row(1)), "sparkov")
    with pytest.raises(InputError, match="cc_num"):
        outcome(write(tmp_path / "a.ndjson", line(1)), "sparkov")


def test_a_misspelt_column_is_named_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"'TERMINAL_ID' \(did you mean TERMINALID\?\)"):
        outcome(write(tmp_path / "a.csv", HEADER.replace("TERMINAL_ID", "TERMINALID") + row(1)))


BAD_ROWS = {
    "2,soon,c,t,1.50,0\n": Reason.UNPARSABLE_TIME,
    "2,1970-01-01,c,t,1.50,0\n": Reason.TIME_OUT_OF_RANGE,
    "2,2100-01-01,c,t,1.50,0\n": Reason.TIME_OUT_OF_RANGE,
    "2,,c,t,1.50,0\n": Reason.MISSING_FIELD,
    "2,2018-04-01,c,t,abc,0\n": Reason.UNPARSABLE_AMOUNT,
    "2,2018-04-01,c,t,NaN,0\n": Reason.UNPARSABLE_AMOUNT,
    "2,2018-04-01,c,t,-1.50,0\n": Reason.NEGATIVE_AMOUNT,
    "2,2018-04-01,c,t,9.99e13,0\n": Reason.ABSURD_AMOUNT,
    "2,2018-04-01,c,t,,0\n": Reason.MISSING_FIELD,
    ",2018-04-01,c,t,1.50,0\n": Reason.MISSING_FIELD,
    "2,2018-04-01,c,t,1.50\n": Reason.MALFORMED,
    "2,2018-04-01,c,t,1.50,0,more\n": Reason.MALFORMED,
    "2,2018-04-01,caf\xe9,t,1.50,0\n": Reason.INVALID_UTF8,
    f"2,2018-04-01,{'x' * 10_000_000},t,1.50,0\n": Reason.TOO_LARGE,
}


@pytest.mark.parametrize("bad_row", BAD_ROWS, ids=lambda text: text.strip()[:40])
def test_one_bad_row_is_quarantined_and_the_rest_processed(tmp_path, bad_row):
    text = HEADER + row(1) + bad_row + row(3)
    file = write(tmp_path / "a.csv", text.encode("latin-1"))
    ids, labels, bad = outcome(file)
    assert (ids, labels, bad) == (["1", "3"], ["1", "3"], [(2, BAD_ROWS[bad_row])])
    (batch,) = [batch for batch in read([str(file)], load_mapping("handbook"), TOKENIZER, NOW) if batch.bad]
    original = (HEADER + bad_row.rstrip("\n")).encode("latin-1")
    assert batch.bad[0].original == original[: 64 * 1024]
    assert batch.bad[0].message


def test_a_quote_that_never_closes_costs_its_own_line(tmp_path):
    text = HEADER + row(1) + '2,2018-04-01,"open,t,1.50,0\n' + row(3)
    assert outcome(write(tmp_path / "a.csv", text)) == (["1", "3"], ["1", "3"], [(2, Reason.MALFORMED)])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_line_ends_and_newlines_in_quotes_are_no_trouble(tmp_path, end):
    text = HEADER + row(1) + '2,2018-04-01,"a\nb ""c"", d",t,"1.50",0\n' + "\n" + row(3).rstrip("\n")
    data = b"\xef\xbb\xbf" + text.replace("\n", end).encode()
    assert outcome(write(tmp_path / "a.csv", data)) == (["1", "2", "3"], ["1", "3"], [])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_header_tells_the_delimiter(tmp_path, delimiter):
    assert outcome(write(tmp_path / "a.csv", (HEADER + row(1)).replace(",", delimiter)))[0] == ["1"]


def test_a_column_that_comes_twice_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="two columns are named 'a'"):
        outcome(write(tmp_path / "a.csv", "a,a\n1,2\n"))


def test_bad_lines_of_ndjson_are_quarantined_each(tmp_path):
    huge = json.dumps({"transaction_id": "2", "city": "x" * 10_000_000}) + "\n"
    text = line(0) + "{oops\n" + "\n" + huge + '{"transaction_id": "caf\xe9"}\n' + line(5).rstrip("\n")
    ids, _, bad = outcome(write(tmp_path / "a.ndjson", text.encode("latin-1")), "canonical")
    assert ids == ["0", "5"]
    assert bad == [(2, Reason.MALFORMED), (4, Reason.TOO_LARGE), (5, Reason.INVALID_UTF8)]


@pytest.mark.parametrize(
    "arranged",
    [
        json.dumps,
        lambda items: json.dumps(items, indent=2),
        lambda items: "\n".join(json.dumps(item, indent=1) for item in items),
        lambda items: "".join(json.dumps(item) for item in items),
        lambda items: json.dumps(items[:1]) + json.dumps(items[1:]),
        lambda items: ",\n".join(json.dumps(item) for item in items),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 8192])
def test_json_in_any_arrangement_is_read(tmp_path, arranged, batch_rows):
    items = [json.loads(line(number)) for number in range(50)]
    items[3]["attributes"] = {"said": 'brackets ]}," and \\ in \\\\" a \u2028 text'}
    ids, _, bad = outcome(write(tmp_path / "a.json", arranged(items)), "canonical", batch_rows=batch_rows)
    assert (ids, bad) == ([str(number) for number in range(50)], [])


def test_what_is_no_object_in_an_array_is_quarantined_alone(tmp_path):
    first, second, third = (line(number).strip() for number in (1, 2, 3))
    data = f'[{first}, 7, "x", [1, 2], null, {second}, {{"transaction_id": }}, {third}]'
    ids, _, bad = outcome(write(tmp_path / "a.json", data), "canonical")
    assert ids == ["1", "2", "3"]
    assert [position for position, _ in bad] == [2, 3, 4, 5, 7]


@pytest.mark.parametrize("cut", [1, 30])
def test_an_array_that_does_not_end_gives_all_before_the_cut_and_says_so(tmp_path, cut):
    data = json.dumps([json.loads(line(number)) for number in range(20)])[:-cut]
    ids, _, bad = outcome(write(tmp_path / "a.json", data), "canonical")
    assert ids == [str(number) for number in range(20 if cut == 1 else 19)]
    assert len(bad) == 1


@given(
    st.lists(
        st.recursive(
            st.text() | st.integers() | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    ),
    st.sampled_from([None, 1]),
    st.integers(1, 9),
)
def test_values_are_parted_as_another_reader_parts_them(values, indent, size):
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    lines = b"".join(split_values(iter(chunks))).splitlines()
    assert [json.loads(one) for one in lines] == values


def test_two_kinds_of_records_in_one_file_keep_their_order(tmp_path):
    flag = {"Account_Id": 17, "Flag_Date": "2024-03-01"}
    payment = {
        "Account_Id": 17,
        "Merchant_Type": "Others",
        "Transaction_Id": "t",
        "Transaction_Type": "Online",
        "Transaction_Amount": 1,
        "Transaction_Date": "2024-03-01",
    }
    text = "\n".join(map(json.dumps, [payment, flag, {"x": 1}, payment]))
    (batch,) = read(
        [str(write(tmp_path / "a.ndjson", text))], load_mapping("flagged-accounts"), TOKENIZER, NOW
    )
    assert batch.events.kind.tolist() == [0, 4, 0]
    assert [(bad.position, bad.reason) for bad in batch.bad] == [(3, Reason.MISSING_FIELD)]


def test_no_card_number_leaves_a_file_in_any_form(tmp_path):
    head = "trans_date_trans_time,cc_num,merchant,category,amt,merch_lat,merch_long,is_fraud\n"
    text = (
        head
        + f"2020-01-01,{PAN},m {PAN},c,1,0,0,1\n"
        + f"soon,{PAN},m,c,1,0,0,1\n"
        + f"x,{PAN}\n"
        + f'"{PAN}\n'
    )
    pq.write_table(
        pa.table(
            {
                name: [value]
                for name, value in zip(
                    head.strip().split(","), ["soon", int(PAN), PAN, "c", "1", 0, 0, 1], strict=True
                )
            }
        ),
        tmp_path / "b.parquet",
    )
    for file in (write(tmp_path / "a.csv", text), tmp_path / "b.parquet"):
        for batch in read([str(file)], load_mapping("sparkov"), TOKENIZER, NOW):
            seen = str(batch.events.table.to_pylist()) + "".join(
                bad.message + str(bad.original) for bad in batch.bad
            )
            assert PAN not in seen


def test_a_quarantined_row_can_be_read_again_with_its_card(tmp_path):
    head = "trans_date_trans_time,cc_num,merchant,category,amt,merch_lat,merch_long,is_fraud\n"
    file = write(tmp_path / "a.csv", head + f"2020-01-01,{PAN},m,c,-1,0,0,1\n")
    (batch,) = read([str(file)], load_mapping("sparkov"), TOKENIZER, NOW)
    (bad,) = batch.bad
    mended = bad.original.replace(b",-1,", b",1,")
    again = read_original(mended, bad.original_format, load_mapping(bad.mapping), TOKENIZER, NOW)
    assert again.events.column("card_id").to_pylist() == [TOKENIZER.token(PAN)]
    assert again.events.column("card_last4").to_pylist() == ["1111"]
    still = read_original(bad.original, bad.original_format, load_mapping(bad.mapping), TOKENIZER, NOW)
    assert still.bad[0].reason == bad.reason


def test_folders_globs_and_lists_are_read_in_order(tmp_path):
    for name, number in (("b.csv", 2), ("a.csv", 1), ("c.csv", 3)):
        write(tmp_path / name, HEADER + row(number))
    write(tmp_path / "notes.md", "nothing")
    assert outcome(tmp_path)[0] == ["1", "2", "3"]
    assert outcome(f"{tmp_path}/[ab].csv")[0] == ["1", "2"]
    assert outcome([tmp_path / "c.csv", tmp_path / "a.csv"])[0] == ["3", "1"]


def test_rows_without_ids_are_the_same_payments_in_every_file(tmp_path):
    head = "trans_date_trans_time,cc_num,merchant,category,amt,merch_lat,merch_long,is_fraud\n"
    files = [
        write(tmp_path / name, head + f"2020-01-01,{PAN},m,c,1,0,0,0\n" * 2) for name in ("a.csv", "b.csv")
    ]
    first, second, *others = outcome(files, "sparkov")[0]
    assert second == f"{first}-2"
    assert others == [first, second]


def test_standard_input_is_a_source(monkeypatch):
    data = io.BytesIO(gzip.compress((HEADER + row(1)).encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(data)))
    assert outcome("-") == (["1"], ["1"], [])


@pytest.mark.parametrize(("name", "mapping"), [("a.csv", "handbook"), ("b.ndjson", "canonical")])
def test_a_source_is_sniffed(tmp_path, name, mapping):
    text = HEADER + row(1) if name == "a.csv" else line(1)
    sniffed = sniff(str(write(tmp_path / name, text)))
    assert sniffed.mapping == mapping
    assert sniffed.format == Path(name).suffix[1:]
    assert sniffed.reasons


def test_columns_that_fit_no_mapping_are_sniffed_with_what_is_lacking(tmp_path):
    sniffed = sniff(str(write(tmp_path / "a", "x,y\n1,2\n")))
    assert (sniffed.format, sniffed.mapping) == ("csv", None)
    assert "none has any of these columns" in sniffed.reasons[-1]
    close = sniff(str(write(tmp_path / "b", "event_time,amount\n1,2\n")))
    assert "canonical is the nearest and lacks transaction_id" in close.reasons[-1]


@given(st.text('ab",\n', max_size=60), st.integers(1, 20))
def test_csv_blocks_lose_no_byte_and_cut_at_records(text, size):
    data = text.encode()
    chunks = (data[at : at + 3] for at in range(0, len(data), 3))
    blocks = list(csv_blocks(chunks, lambda: size, ","))
    whole = b"".join(block.data if block.fault is None else block.data + b"\n" for block in blocks)
    assert whole.rstrip(b"\n") == data.rstrip(b"\n")
    for block in blocks:
        if block.fault is None and block.data.endswith(b"\n"):
            assert record_ends(block.data, ",")[-1] == len(block.data)


DATA = os.environ.get("RINGFENCE_DATA")


@pytest.mark.skipif(DATA is None, reason="RINGFENCE_DATA names no folder with the measured data sets")
@pytest.mark.parametrize(
    ("name", "mapping", "rows", "frauds"),
    [
        ("handbook_raw", "handbook", 1_754_155, 14_681),
        ("sparkov2020_seed4444_tx", "sparkov", 1_909_916, 9_855),
    ],
)
def test_whole_data_sets_are_read_without_a_bad_row(name, mapping, rows, frauds):
    ids = labels = 0
    for batch in read([f"{DATA}/{name}.parquet"], load_mapping(mapping), TOKENIZER, NOW + 2 * 10**11):
        ids += len(batch.events)
        labels += len(batch.labels) if batch.labels else 0
        assert not batch.bad
    assert (ids, labels) == (rows, frauds)
