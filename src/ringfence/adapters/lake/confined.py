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
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Never

import msgspec
import pyarrow as pa

from ringfence.errors import InputError, RingfenceError
from ringfence.ports.tables import BEHIND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.adapters.lake.lake import Lake

MEMORY: Final = "512MB"
_BESIDE: Final = 512 * 1024 * 1024  # bytes for rows at hand and their copy, beside DuckDB's own
_DUCKDB: Final = 512_000_000
_MOST_BYTES: Final = 64_000_000  # of an answer
_BEGIN_SECONDS: Final = 20.0  # to start, and to look at what the log has gained
_OPENING_SECONDS: Final = 600.0  # until its first word, while it starts and opens the store
_SILENCE_SECONDS: Final = 60.0  # a process that reads tells of each step: without a word it hangs
_GRACE_SECONDS: Final = 10.0  # to stop, and to send the answer
_PATIENCE: Final = 3.0  # for what the log has gained: what is left is read between questions
_STEP_SECONDS: Final = 1.0  # a question that comes meanwhile waits for it
_NUMBERS: Final = 1 << 32
_FRAME: Final = struct.Struct("<cII")
_ASKED, _READING, _BEGUN, _ANSWER, _REFUSAL = b"Q", b"R", b"B", b"T", b"E"
_NOT_BEGUN: Final = (
    "the tables are reading what the log has gained, and go on with it: ask again in half a minute"
)
_TOO_LATE: Final = "the answer did not come in time, as this machine is busy: ask again"
_SILENT: Final = "the tables had stopped answering, and are opened anew: ask again in half a minute"
_TOO_MUCH: Final = f"this needs more than {MEMORY} of memory: ask for less"


class _Message(NamedTuple):
    kind: bytes
    number: int
    body: bytes


class _Heard:
    """Messages of a process, and when the last word came of it."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[_Message | None] = SimpleQueue()
        self._at = self._asked_at = monotonic()
        self._has_spoken = False

    def asked(self) -> None:
        """A question was sent."""
        if self._at >= self._asked_at:
            self._asked_at = monotonic()

    def is_silent(self) -> bool:
        """Whether no word has come for long, though one was asked for."""
        most = _SILENCE_SECONDS if self._has_spoken else _OPENING_SECONDS
        return monotonic() - max(self._at, self._asked_at) > most

    def listen(self, stream: IO[bytes]) -> None:
        """Until it ends, which is a message, too: None."""
        with stream, suppress(EOFError, OSError):
            while True:
                message = _received(stream)
                self._at, self._has_spoken = monotonic(), True
                if message.kind != _READING:
                    self.messages.put(message)
        self.messages.put(None)


class ConfinedLake:
    """Asks analysis tables through a process that begins with the first statement: one that calls `serve`.

    A statement that takes too long ends the process. One that has not begun in time, as the tables are far
    behind the log, leaves it at its reading, unless it has told nothing of that for long. Any thread may ask,
    one at a time.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """`command` begins that process."""
        self._command = list(command)
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = _Heard()
        self._number = 0  # of the question: what comes late belongs to another

    def sql(self, text: str, most: int | None, seconds: float) -> pa.Table:
        """See `Statements.sql`."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            self._number = (self._number + 1) % _NUMBERS
            has_begun = False
            try:
                _send(process.stdin, _ASKED, self._number, msgspec.json.encode((text, most, seconds)))
                self._heard.asked()
                self._next(_BEGIN_SECONDS)
                has_begun = True
                kind, _, body = self._next(seconds + _GRACE_SECONDS)
            except (OSError, EOFError):
                self._end()
                raise InputError(_TOO_MUCH) from None
            except Empty:
                is_silent = self._heard.is_silent()
                if has_begun or is_silent:
                    self._end()
                raise InputError(_TOO_LATE if has_begun else _SILENT if is_silent else _NOT_BEGUN) from None
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
            assert self._process.stdout is not None
            self._heard = _Heard()
            Thread(target=self._heard.listen, args=(self._process.stdout,), daemon=True).start()
        return self._process

    def _next(self, seconds: float) -> _Message:
        """The next message on the question; `queue.Empty` after so long, `EOFError` where none can come."""
        until = monotonic() + seconds
        while True:
            found = self._heard.messages.get(timeout=max(0.0, until - monotonic()))
            if found is None:
                raise EOFError
            if found.number == self._number:
                return found

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what it had not read yet
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process = None


def _send(stream: IO[bytes], kind: bytes, number: int, body: bytes | memoryview) -> None:
    stream.write(_FRAME.pack(kind, number, len(body)))
    stream.write(body)
    stream.flush()


def _received(stream: IO[bytes]) -> _Message:
    """The next message; `EOFError` where the other side has gone."""
    head = stream.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise EOFError
    kind, number, size = _FRAME.unpack(head)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return _Message(kind, number, body)


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
        if behind := lake.behind():
            table = table.replace_schema_metadata({BEHIND: _in_words(behind)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    except (MemoryError, pa.ArrowMemoryError):
        return _REFUSAL, _TOO_MUCH.encode()
    except RingfenceError as error:
        return _REFUSAL, str(error).encode()
    return _ANSWER, memoryview(sink.getvalue())


def _in_words(behind: dict[str, tuple[int, int]]) -> str:
    return ", ".join(
        f"{topic} as of offset {end:,}, {count:,} records behind" for topic, (end, count) in behind.items()
    )


_LEFT_TO_THE_STATEMENT: Final = (RingfenceError, MemoryError, pa.ArrowMemoryError)  # which meets them, too


def serve(lake: Lake) -> Never:
    """Answer what comes in; an answer is the only thing on standard output.

    What the log has gained beyond the patience of a question is read until the next one comes.
    This process ends with its input, whatever it is at: nobody would read the answer.
    """
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        questions: SimpleQueue[_Message] = SimpleQueue()
        Thread(target=_hear, args=(questions,), daemon=True).start()
        _bound()
        while True:
            asked = questions.get()
            while not questions.empty():  # nobody waits for an answer to the ones before
                asked = questions.get()
            with suppress(*_LEFT_TO_THE_STATEMENT):
                lake.step(_PATIENCE)
            _send(answers, _BEGUN, asked.number, b"")
            kind, body = _answer(lake, asked.body)
            _send(answers, kind, asked.number, body)
            _read_on(lake, questions, answers)


def _read_on(lake: Lake, questions: SimpleQueue[_Message], answers: IO[bytes]) -> None:
    with suppress(*_LEFT_TO_THE_STATEMENT):
        while questions.empty() and lake.step(_STEP_SECONDS):
            _send(answers, _READING, 0, b"")


def _hear(questions: SimpleQueue[_Message]) -> None:
    try:
        with open(os.dup(0), "rb") as asking:  # noqa: PTH123 (no path)
            while True:
                questions.put(_received(asking))
    finally:
        os._exit(0)
