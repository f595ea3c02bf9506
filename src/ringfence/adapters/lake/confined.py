"""`Lake.sql` for statements that anybody may write: in a process of its own, whose memory the system bounds.

DuckDB's limit does not count the texts and lists of the rows at hand: a thousand texts of two megabytes are
two gigabytes, whatever it was told. Here the worst statement ends this process, and the next gets another.
"""

from __future__ import annotations

import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread, Timer
from typing import IO, TYPE_CHECKING, Final, Never

import msgspec
import pyarrow as pa

from ringfence.errors import InputError, RingfenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.adapters.lake.lake import Lake

MEMORY: Final = "512MB"
_BESIDE: Final = 512 * 1024 * 1024  # bytes for rows at hand and their copy, beside DuckDB's own
_DUCKDB: Final = 512_000_000
_MOST_BYTES: Final = 64_000_000  # of an answer
_GRACE_SECONDS: Final = 20.0  # to look at what the log has gained, and to stop
_FRAME: Final = struct.Struct("<cI")
_ASKED, _ANSWER, _REFUSAL = b"Q", b"T", b"E"
_TOO_LATE: Final = "the tables could not be read in time, as this machine is busy: ask again"
_TOO_MUCH: Final = f"this needs more than {MEMORY} of memory: ask for less"


class ConfinedLake:
    """Asks analysis tables through a process that begins with the first statement: one that calls `serve`.

    Any thread may ask, one at a time.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """`command` begins that process."""
        self._command = list(command)
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def sql(self, text: str, most: int | None, seconds: float) -> pa.Table:
        """The answer to one reading statement, at most its first `most` rows.

        `InputError` where it cannot be answered, takes longer than `seconds`, or too much memory.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            is_late = Event()

            def end() -> None:
                is_late.set()
                process.kill()

            watch = Timer(seconds + _GRACE_SECONDS, end)
            watch.start()
            try:
                _send(process.stdin, _ASKED, msgspec.json.encode((text, most, seconds)))
                kind, body = _received(process.stdout)
            except (OSError, EOFError):
                self._end()
                raise InputError(_TOO_LATE if is_late.is_set() else _TOO_MUCH) from None
            finally:
                watch.cancel()
        if kind == _REFUSAL:
            raise InputError(body.decode())
        return pa.ipc.open_stream(body).read_all()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(  # noqa: S603 (this very program)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the server, whose end closes its input
            )
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what it had not read yet
                if stream is not None:
                    stream.close()
        self._process.wait()
        self._process = None


def _send(stream: IO[bytes], kind: bytes, body: bytes | memoryview) -> None:
    stream.write(_FRAME.pack(kind, len(body)))
    stream.write(body)
    stream.flush()


def _received(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """The next message; `EOFError` where the other side has gone."""
    head = stream.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise EOFError
    kind, size = _FRAME.unpack(head)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return kind, body


def _bound() -> None:
    """Let this process have so much memory more than it has now."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)

        line = next(row for row in Path("/proc/self/status").read_text().splitlines() if "VmData" in row)
    except (ImportError, OSError, StopIteration):
        return  # DuckDB's own limit holds there alone
    most = int(line.split()[1]) * 1024 + _DUCKDB + _BESIDE
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(lake: Lake, body: bytes) -> tuple[bytes, bytes | memoryview]:
    text, most, seconds = msgspec.json.decode(body, type=tuple[str, int | None, float])
    try:
        table = lake.sql(text, most, seconds)
        if table.nbytes > _MOST_BYTES:
            return _REFUSAL, f"the answer has {table.nbytes / 1e6:,.0f} MB: ask for less".encode()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    except (MemoryError, pa.ArrowMemoryError):
        return _REFUSAL, _TOO_MUCH.encode()
    except RingfenceError as error:
        return _REFUSAL, str(error).encode()
    return _ANSWER, memoryview(sink.getvalue())


def serve(lake: Lake) -> Never:
    """Answer what comes in; an answer is the only thing on standard output.

    This process ends with its input, whatever it is at: nobody would read the answer.
    """
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        questions: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=_hear, args=(questions,), daemon=True).start()
        _bound()
        while True:
            _send(answers, *_answer(lake, questions.get()))


def _hear(questions: SimpleQueue[bytes]) -> None:
    try:
        with open(os.dup(0), "rb") as asking:  # noqa: PTH123 (no path)
            while True:
                questions.put(_received(asking)[1])
    finally:
        os._exit(0)
