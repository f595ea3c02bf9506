"""A Parquet file that is there as a whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.errors import InputError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GROUP_ROWS: Final = 128 * 1024


@contextmanager
def write_parquet(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Give batches to what this yields; the file appears under its name when the block ends well.

    `InputError` where it cannot be written, `StoreFullError` where there is no room; then it is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            rows = _Rows(writer, schema)
            yield rows.add
            rows.flush()
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        if pa.lib.ArrowException in type(error).__mro__ or error.errno is None:
            raise
        raise _explained(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


class _Rows:
    """Gathers batches into row groups."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        if sum(len(item) for item in self._waiting) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), _GROUP_ROWS)
            self._waiting = []


def _explained(error: OSError, path: Path) -> InputError | StoreFullError:
    if error.errno == 28:  # no space left on the device
        return StoreFullError(f"no room for {path}: free space and run the command again")
    return InputError(f"{path} cannot be written ({error.strerror}): choose another place for it")
