"""Where simulated events are written: a file, or standard output."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.csv

from ringfence.compose.files import write_parquet
from ringfence.errors import InputError
from ringfence.simulate.lines import json_lines
from ringfence.threads import Behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[[pa.RecordBatch], None]

FORMATS: Final = (".parquet", ".ndjson", ".jsonl", ".csv")
_PACKED: Final = (".gz", ".zst")
_PARQUET_WAITING: Final = 4  # batches between the thread that makes and the one that writes


def format_of(path: str) -> str:
    """Ending that says how to write a file: `.parquet`, `.ndjson` or `.csv`; `InputError` where none does."""
    if path == "-":
        return ".ndjson"
    name = Path(path).name.lower()
    for packing in _PACKED:
        name = name.removesuffix(packing)
    found = next((ending for ending in FORMATS if name.endswith(ending)), None)
    if found is None or (found == ".parquet" and not path.lower().endswith(found)):
        raise InputError(
            f"{path}: end its name in .parquet, .ndjson or .csv (the last two may be packed: .gz, .zst)"
        )
    return ".ndjson" if found == ".jsonl" else found


@contextmanager
def open_file(path: str, schema: pa.Schema) -> Iterator[Write]:
    """Give batches to what this yields. `-` is standard output."""
    form = format_of(path)
    try:
        if form == ".parquet":
            with (
                write_parquet(Path(path), schema) as write,
                Behind(_each(write), _PARQUET_WAITING, _PARQUET_WAITING) as behind,
            ):
                yield behind.put
        elif path == "-":
            yield lambda batch: _write_out(json_lines(batch))
        else:
            with pa.output_stream(path, compression="detect") as stream:
                yield _csv(stream, schema) if form == ".csv" else lambda batch: stream.write(_joined(batch))
    except FileNotFoundError as error:
        raise InputError(f"{path} cannot be written: its folder does not exist") from error
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): choose another place for it"
        ) from error


def _each(write: Write) -> Callable[[list[pa.RecordBatch]], None]:
    def act(batches: list[pa.RecordBatch]) -> None:
        for batch in batches:
            write(batch)

    return act


def _csv(stream: Any, schema: pa.Schema) -> Write:
    plain = pa.schema([(item.name, _plain(item.type)) for item in schema])
    stream.write(",".join(plain.names).encode() + b"\n")
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")

    def write(batch: pa.RecordBatch) -> None:
        pa.csv.write_csv(pa.Table.from_batches([batch]).cast(plain), stream, options)

    return write


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _joined(batch: pa.RecordBatch) -> bytes:
    lines = json_lines(batch)
    return ("\n".join(lines.to_pylist()) + "\n").encode() if len(lines) else b""


def _write_out(lines: pa.Array) -> None:
    for line in lines.to_pylist():
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
