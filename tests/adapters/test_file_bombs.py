"""Files that are small, and large once they are read: memory and time stay bounded, and the fault is said."""

import json
import subprocess
import sys
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ringfence.adapters.files import tables
from ringfence.adapters.files.blocks import csv_blocks
from ringfence.adapters.files.order.look import Looker
from ringfence.adapters.files.paths import opened
from ringfence.adapters.files.reading import read
from ringfence.adapters.files.sniffing import sniff
from ringfence.errors import InputError
from ringfence.events.bad import Reason
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

MB = 1 << 20
TOKENIZER = Tokenizer(b"bombs" * 8)
NOW = 1_700_000_000_000
HEADER = b"TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
LIMIT_MB = 256

# In a process of its own, whose highest memory is that of reading the file.
READER = """
import json, sys
from ringfence.adapters.files.order.look import Looker
from ringfence.adapters.files.reading import read
from ringfence.adapters.files.sniffing import sniff
from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

def peak_mb():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024

mapping, warm = load_mapping(sys.argv[1]), sys.argv[2]
tokenizer, now = Tokenizer(bytes(32)), 1_700_000_000_000
events = bad = 0
errors = []

def go(path):
    global events, bad
    for step in (sniff, Looker(mapping, tokenizer, now, 0).look):
        try:
            step(path)
        except InputError:
            pass
    events, bad = 0, 0
    try:
        for batch in read([path], mapping, tokenizer, now):
            events, bad = events + len(batch.events), bad + len(batch.bad)
    except InputError as error:
        errors.append(str(error))

go(warm)
start = peak_mb()
found = {}
for path in sys.argv[3:]:
    errors.clear()
    go(path)
    found[path] = {"mb": peak_mb() - start, "events": events, "bad": bad, "errors": len(errors)}
print(json.dumps(found))
"""


def reading(*paths, mapping="handbook"):
    """What reading files in a process of its own gave, and the memory that took beyond the first."""
    warm = paths[0].with_name("warm.csv")
    warm.write_bytes(HEADER + b"1,2018-04-01 00:00:00,c,t,1.50,0\n")
    command = [sys.executable, "-c", READER, mapping, str(warm), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def gzipped(head, unit, size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * (MB // len(unit))
    return (
        packer.compress(head) + b"".join(packer.compress(block) for _ in range(size // MB)) + packer.flush()
    )


def zstded(head, unit, size):
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    block = unit * (MB // len(unit))
    return (
        packer.compress(head) + b"".join(packer.compress(block) for _ in range(size // MB)) + packer.flush()
    )


TEXTS = {
    "newlines.csv": (HEADER, b"\n"),
    "one line.csv": (HEADER, b"a"),
    "no header.csv": (b"", b"a"),
    "newlines.ndjson": (b"", b"\n"),
    "one line.ndjson": (b'{"a": "', b"a"),
    "ones.ndjson": (b'{"a": [', b"1,"),
    "nested.ndjson": (b"", b'{"a":'),
}


def test_memory_of_reading_does_not_grow_with_what_packed_files_unpack_to(tmp_path):
    paths = [tmp_path / f"{name}.zst" for name in TEXTS]
    for path, (head, unit) in zip(paths, TEXTS.values(), strict=True):
        path.write_bytes(zstded(head, unit, 32 * MB))
        assert path.stat().st_size < 10_000
    paths.append(tmp_path / "newlines.csv.gz")
    paths[-1].write_bytes(gzipped(HEADER, b"\n", 32 * MB))
    for path, found in reading(*paths).items():
        assert found["mb"] < LIMIT_MB, (path, found)
        assert found["events"] == 0
        assert found["bad"] or found["errors"] or "newlines" in path


def test_the_rows_before_an_endless_line_are_events(tmp_path):
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstded(HEADER + b"1,2018-04-01 00:00:00,c,t,1.50,0\n", b"a", 18 * MB))
    (events, bad) = outcome(path)
    assert events == 1
    assert bad == [Reason.TOO_LARGE]


def test_quotes_that_each_open_another_endless_record_do_not_make_reading_start_over_for_each():
    data = b"1,2018-04-01,t\n" + b'a",x,"\n' * 20_000
    blocks = list(csv_blocks(iter([data]), lambda: MB, ","))
    assert blocks[0].data == b"1,2018-04-01,t\n"
    assert {block.fault.reason for block in blocks[1:]} == {Reason.MALFORMED}
    assert len(blocks) < 100  # not one for each line, after which all lines were tried again


@pytest.mark.parametrize("mapping", ["canonical", "stripe-api", "handbook"])
def test_json_nested_deeper_than_can_be_read_is_set_aside(tmp_path, mapping):
    path = tmp_path / "a.ndjson"
    path.write_text(
        '{"a":' * 100_000 + "1" + "}" * 100_000 + "\n" + '{"a":' + "[" * 100_000 + "]" * 100_000 + "}\n"
    )
    assert outcome(path, mapping) == (0, [Reason.MALFORMED, Reason.MALFORMED])
    with pytest.raises(InputError, match="none of the first lines is a JSON object"):
        sniff(str(path))


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_a_header_of_too_many_columns_is_an_input_error(tmp_path, layout):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{at}" for at in range(100_000)) + "\n")
    with pytest.raises(InputError, match="100,000 columns, at most 4,096"):
        outcome(path) if layout == "rows" else sniff(str(path))


def test_a_csv_field_of_more_than_the_reader_takes_is_set_aside(tmp_path):
    path = tmp_path / "a.csv.zst"
    good = b"1,2018-04-01 00:00:00,c,t,1.50,0\n"
    path.write_bytes(
        zstded(HEADER + good + b"2,2018-04-01 00:00:00,", b"c", 20 * MB) + zstandard.compress(b"\n" + good)
    )
    events, bad = outcome(path)
    assert (events, bad) == (2, [Reason.TOO_LARGE])


def test_records_of_too_many_fields_are_set_aside_and_names_of_many_records_take_no_table(tmp_path):
    path = tmp_path / "a.ndjson"
    wide = [json.dumps({f"k{record}_{at}": at for at in range(3000)}) for record in range(60)]
    too_wide = json.dumps({f"k{at}": at for at in range(5000)})
    path.write_text("\n".join([GOOD, *wide, too_wide]) + "\n")
    events, bad = outcome(path)
    assert events == 1
    assert len(bad) == 61
    assert bad[-1] == Reason.TOO_LARGE


DEEP = """
import json, resource
from ringfence.adapters.files.json_rows import to_table
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
deep = json.loads('{"a":' * 900 + "1" + "}" * 900)
made = to_table([{"v": value} for value in (deep, None)], ["v"])
print(made.column(0).null_count, peak() - before)
"""


def test_an_object_of_many_levels_takes_little_memory():
    """Arrow takes 3 MB for each of its levels: a record of 5 KB took 2.8 GB."""
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, check=True)
    nulls, megabytes = map(int, done.stdout.split())
    assert nulls == 1
    assert megabytes < 100


GOOD = json.dumps(
    {
        "TRANSACTION_ID": 1,
        "TX_DATETIME": "2018-04-01 00:00:00",
        "CUSTOMER_ID": 1,
        "TERMINAL_ID": 2,
        "TX_AMOUNT": 1.5,
        "TX_FRAUD": 0,
    }
)


def outcome(path, mapping="handbook"):
    events, bad = 0, []
    for batch in read([str(path)], load_mapping(mapping), TOKENIZER, NOW):
        events += len(batch.events)
        bad += [record.faults[0].reason for record in batch.bad]
    return events, bad


def parquet(path, rows, value="x", **options):
    texts = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
    pq.write_table(pa.table({name: pa.repeat(value, rows) for name in texts}), path, **options)
    return path


def rows_of(path):
    with opened(str(path)) as source:
        file, probe = tables.open_twice(source)
        return tables.rows_at_once(probe, 0, file.schema_arrow.names, 8192)


def test_a_long_value_that_stands_in_each_row_of_a_parquet_file_makes_batches_short(tmp_path):
    assert rows_of(parquet(tmp_path / "a.parquet", 9000)) == 8192
    long = parquet(tmp_path / "b.parquet", 2000, "x" * 100_000)
    assert long.stat().st_size < 40_000
    assert 1 <= rows_of(long) * 6 * 100_000 <= 64 * MB
    lists = pa.array([list(range(20_000))]).take(pa.array([0] * 300))
    pq.write_table(pa.table({"a": lists}), tmp_path / "c.parquet")
    assert rows_of(tmp_path / "c.parquet") < 500


def test_row_groups_that_unpack_to_far_more_than_their_size_are_set_aside(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", 50_000, "x" * 50, use_dictionary=False, compression="zstd")
    monkeypatch.setattr(tables, "GROUP_BYTES", MB)
    assert outcome(path) == (0, [Reason.TOO_LARGE])
    assert Looker(load_mapping("handbook"), TOKENIZER, NOW, 0).look(str(path)) is None


def test_parquet_of_too_many_columns_or_packed_once_more_is_an_input_error(tmp_path, monkeypatch):
    wide = tmp_path / "wide.parquet"
    pq.write_table(pa.table({f"c{at}": [1] for at in range(4100)}), wide)
    with pytest.raises(InputError, match="4,100 columns, at most 4,096"):
        sniff(str(wide))
    packed = tmp_path / "a.parquet.zst"
    packed.write_bytes(zstandard.compress(bytes(4 * MB)))
    monkeypatch.setattr(tables, "GROUP_BYTES", MB)
    with pytest.raises(InputError, match="unpack it first"):
        sniff(str(packed))
